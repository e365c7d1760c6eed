"""`settle verify` finds each edit by hand in the database, made by its owner with the triggers off."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.audit import witness
from core.books.invariants import violations
from tests.core.books.dishonest_owner import add_books, edit, edited
from tests.core.books.edits import CHAIN_AGAIN, EDITS
from tests.factories import NOW, GivenPractice
from tests.servers import Databases
from tests.worlds import a_world


@pytest.fixture(scope="module")
def books(databases: Databases) -> Iterator[GivenPractice]:
    with a_world(databases, add_books) as world, world.copied() as practice:
        yield practice


def test_the_books_are_in_order_before_an_edit(books: GivenPractice) -> None:
    with edited(books, tidy=True) as session:
        assert violations(session) == []


@pytest.mark.parametrize("name", EDITS)
def test_each_edit_by_hand_is_found(books: GivenPractice, name: str) -> None:
    one = EDITS[name]
    with edited(books, *one.statements, tidy=one.tidy) as session:
        found = {violation.invariant for violation in violations(session)}

    assert one.found_by in found


def test_a_chain_that_was_rewritten_is_found_by_a_witness_alone(books: GivenPractice, tmp_path: Path) -> None:
    file = tmp_path / "witness"
    with edited(books) as session:
        for _ in range(2):
            witness.append(file, witness.current(session, None), now=NOW)
        kept = witness.read(file)
        assert (len(kept), witness.missing(session, kept)) == (1, [])
        edit(session, "UPDATE audit_entry SET user_id = 1 WHERE act = 'month.closed'", CHAIN_AGAIN)

        assert violations(session) == []
        assert witness.missing(session, kept) == kept

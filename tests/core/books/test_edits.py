"""`settle verify` finds each edit by hand in the database, made by its owner with the triggers off."""

from collections.abc import Iterator

import pytest

from core.books.invariants import violations
from tests.core.books.dishonest_owner import add_books, edited
from tests.core.books.edits import EDITS
from tests.factories import GivenPractice
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
    edit = EDITS[name]
    with edited(books, *edit.statements, tidy=edit.tidy) as session:
        found = {violation.invariant for violation in violations(session)}

    assert edit.found_by in found

"""Later postings on a settled claim give one balance, status and recovered amount, in any order and split."""

import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from sqlalchemy import select

from core.books.invariants import violations
from core.db.engine import Sessions, make_sessions, transaction
from core.enums.practices import WriteOffSetting
from core.intake.csv.postings_import import import_postings
from core.ledger import recoveries, write_offs
from core.models.ledger import Posting
from core.models.practices import Practice
from tests import repeats
from tests.factories import NOW, GivenPractice, Line, a_practice
from tests.properties import expected_balances
from tests.servers import Databases
from tests.shared_app import engine_on

HEAD = "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date"
PAYER = {"insurance": "primary", "patient": "patient"}


class Later(NamedTuple):
    """A posting after the write-off: its kind, line, side and cents. Cents below zero raise an adjusted balance."""

    kind: str
    line: int
    side: str
    cents: int

    def moves(self) -> list[tuple[tuple[int, str], int]]:
        """Return the changes to the balance of each line and responsibility."""
        match self.kind:
            case "refund":
                return [((self.line, self.side), self.cents)]
            case "transfer":
                return [
                    ((self.line, self.side), -self.cents),
                    ((self.line, expected_balances.other(self.side)), self.cents),
                ]
            case _:
                return [((self.line, self.side), -self.cents)]

    def rows(self, claim: str, key: str) -> list[str]:
        """Return its rows of the file."""
        kind = self.kind
        paid_by = PAYER[self.side] if kind in ("payment", "refund") else ""
        codes = "CO,45" if kind == "adjustment" else ","
        return [
            f"{key}{side},{claim},{line},{side},{kind},{cents / 100:.2f},{paid_by},{codes},2026-11-20"
            for (line, side), cents in self.moves()
        ]


_place = (st.integers(1, 2), st.sampled_from(expected_balances.SIDES))
_later = st.one_of(
    st.builds(Later, st.sampled_from(["payment", "refund", "transfer"]), *_place, st.integers(1, 30)),
    st.builds(Later, st.just("adjustment"), *_place, st.integers(-30, 30).filter(bool)),
)
_dues = st.lists(st.integers(0, 25), min_size=4, max_size=4)
_names = itertools.count(1)


@pytest.fixture(scope="module")
def one_database(databases: Databases) -> Iterator[Sessions]:
    """One database for all examples, because each example creates its own practice."""
    with databases.fresh() as url:
        engine = engine_on(url)
        yield make_sessions(engine)
        engine.dispose()


@settings(max_examples=repeats.times(7), deadline=None, suppress_health_check=list(HealthCheck))
@given(dues=_dues, moved=st.integers(0, 10), postings=st.lists(_later, min_size=1, max_size=3))
@example(
    dues=[30, 0, 0, 0],
    moved=0,
    postings=[
        Later("refund", 1, "insurance", 5),
        Later("payment", 1, "insurance", 3),
        Later("payment", 1, "insurance", 2),
    ],
)
@example(dues=[0, 30, 0, 0], moved=0, postings=[Later("payment", 1, "patient", 9), Later("refund", 1, "patient", 9)])
# The second job skips the claim because of its credit, so the claim is Balance Due before the adjustment settles it.
@example(dues=[0, 0, 0, 0], moved=1, postings=[Later("adjustment", 1, "patient", 1)])
@example(dues=[10, 30, 0, 0], moved=7, postings=[Later("payment", 1, "patient", 20), Later("refund", 1, "patient", 15)])
def test_any_order_and_any_split_over_files_gives_the_same_result(
    one_database: Sessions, tmp_path_factory: pytest.TempPathFactory, dues: list[int], moved: int, postings: list[Later]
) -> None:
    practice = a_practice(one_database, name=f"order{next(_names)}")
    orders = list(itertools.permutations(range(len(postings))))
    splits = list(itertools.product([False, True], repeat=len(postings) - 1))
    variants = {f"V{n}": variant for n, variant in enumerate(itertools.product(orders, splits), 1)}
    lines = (Line(dues[0], dues[1]), Line(dues[2], dues[3]))
    practice.alike(variants, *lines)
    folder = tmp_path_factory.mktemp("files")
    _settle_twice(practice, folder, list(variants), moved)
    before = expected_balances.read(practice)

    for n in range(len(postings)):
        rows = [
            row
            for number, (order, split) in variants.items()
            for which in _files(order, split).get(n, [])
            for row in postings[which].rows(number, f"{number}-{which}-")
        ]
        _import(practice, folder, rows)

    after = expected_balances.read(practice)
    for number in variants:
        expected = _expected(before, number, postings)
        places = [(number, line, side) for line in (1, 2) for side in expected_balances.SIDES]
        assert [after.due[place] for place in places] == [expected[0][place] for place in places], number
        assert [after.written_off[place] for place in places] == [expected[1][place] for place in places], number
        owes = any(after.due[place] > 0 for place in places)
        assert practice.read(number).billing_status == ("Balance Due" if owes else "Settled"), number
        assert _recovered(practice, number) == sum(before.written_off[p] - after.written_off[p] for p in places)
        assert _by_job(practice, number) == _by_job(practice, "V1"), "each job keeps the same share"
    with one_database() as session:
        assert violations(session, practice_id=practice.id) == []


def _settle_twice(practice: GivenPractice, folder: Path, numbers: list[str], moved: int) -> None:
    """Settle the claims, transfer part of the balance to the patient on line 1, and settle again."""
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.settle(reason="charity")
    if moved:
        moving = Later("transfer", 1, "insurance", moved)
        _import(practice, folder, [row for number in numbers for row in moving.rows(number, f"{number}-first-")])
    practice.set_write_off(WriteOffSetting.BOTH)
    practice.settle(key="again")


def _files(order: tuple[int, ...], split: tuple[bool, ...]) -> dict[int, list[int]]:
    """Return the postings of each file."""
    files: dict[int, list[int]] = {0: [order[0]]}
    for which, begins in zip(order[1:], split, strict=True):
        files.setdefault(max(files) + begins, []).append(which)
    return files


def _import(practice: GivenPractice, folder: Path, rows: list[str]) -> None:
    file = folder / "later.csv"
    file.write_text("\n".join([HEAD, *rows, ""]), encoding="utf-8")
    with transaction(practice.sessions) as session:
        name = session.get_one(Practice, practice.id).name
        import_postings(session, file, practice_name=name, now=NOW)


def _expected(
    before: expected_balances.Books, number: str, postings: list[Later]
) -> tuple[Counter[expected_balances.Place], Counter[expected_balances.Place]]:
    """Return expected balances and write-offs: the write-off is the lesser of what was written off and is owed."""
    due, written_off = Counter[expected_balances.Place](), Counter[expected_balances.Place]()
    for line, side in itertools.product((1, 2), expected_balances.SIDES):
        place = (number, line, side)
        moved = sum(cents for posting in postings for where, cents in posting.moves() if where == (line, side))
        owed = before.due[place] + before.written_off[place] + moved
        written_off[place] = max(0, min(before.written_off[place], owed))
        due[place] = owed - written_off[place]
    return due, written_off


def _recovered(practice: GivenPractice, number: str) -> int:
    with practice.sessions() as session:
        found = recoveries.list_for_claim(session, practice.id, practice.read(number).id)
        return sum(one.recovered_cents for one in found)


def _by_job(practice: GivenPractice, number: str) -> dict[tuple[int, str, int | None, str | None], int]:
    """Return the unreversed write-offs by line, responsibility, job and reason."""
    unreversed: Counter[tuple[int, str, int | None, str | None]] = Counter()
    place = (Posting.line, Posting.responsibility, write_offs.owning_job(), Posting.write_off_reason)
    with practice.sessions() as session:
        found = select(*place, -Posting.amount_cents).where(
            Posting.practice_id == practice.id, Posting.claim_id == practice.read(number).id, write_offs.is_unreversed()
        )
        for *key, cents in session.execute(found):
            unreversed[tuple(key)] += cents
    return dict(unreversed)

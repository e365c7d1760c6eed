"""Importing an export and the next day's export gives the books of importing the second alone."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, example, given, settings, strategies as st
from sqlalchemy import Text, and_, cast, func, select
from sqlalchemy.orm import Session, aliased

from core.books.invariants import violations
from core.db.engine import Sessions, make_sessions, transaction
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import template_files
from core.intake.loading.imported import Imported, ImportOptions
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.practices import Patient, Payer, Practice
from core.practices.practice_queries import find_by_name
from tests import repeats
from tests.balances import different_claims
from tests.factories import NOW, GivenPractice, add_user
from tests.properties import expected_balances
from tests.servers import Databases
from tests.shared_app import engine_on

HEADS = {name: rows[0] for name, rows in template_files().items()}
PAYER = {"insurance": "primary", "patient": "patient"}
_names = itertools.count(1)


class Row(NamedTuple):
    """A posting of the second day. `is_new` says that the first day's export did not have it."""

    kind: str
    line: int
    side: str
    cents: int
    is_new: bool


class Given(NamedTuple):
    """A claim by both exports: the values of the first day, then those of the second."""

    charges: tuple[int, int]
    new_from_line: int  # the first day had the lines below; 0: it did not have the claim
    statuses: tuple[str, str]
    holds: tuple[str, str]
    payers: tuple[str, str]
    postings: list[Row]


_two = st.tuples
_status = st.sampled_from(["Balance Due", "Internal Review", "Settled"])
_row = st.builds(
    Row, st.sampled_from(["payment", "refund", "adjustment", "transfer"]), st.integers(1, 2),
    st.sampled_from(expected_balances.SIDES), st.integers(1, 40), st.booleans(),
)  # fmt: skip
_claim = st.builds(
    Given, _two(st.integers(0, 50), st.integers(0, 50)), st.integers(0, 3), _two(_status, _status),
    _two(*[st.sampled_from(["", "hold"])] * 2), _two(*[st.sampled_from(["10001", "20001", ""])] * 2),
    st.lists(_row, max_size=4),
)  # fmt: skip
_day_names = _two(*[st.sampled_from(["Sample, Petra", "Sample, Paula"])] * 2)
_classes = _two(*[st.sampled_from(["commercial", "medicare"])] * 2)
_worlds = given(claims=st.lists(_claim, min_size=1, max_size=3), names=_day_names, classes=_classes)
_few = settings(
    max_examples=repeats.times(6), deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking would take minutes
)  # fmt: skip


@pytest.fixture(scope="module")
def one_database(databases: Databases) -> Iterator[Sessions]:
    """One database for all examples, because each example creates its own practices."""
    with databases.fresh() as url:
        engine = engine_on(url)
        yield make_sessions(engine)
        engine.dispose()


@_few
@_worlds
@example(  # the office settled the claim, and a payment leaves a balance
    claims=[Given((50, 0), 3, ("Settled", "Settled"), ("", ""), ("", ""), [Row("payment", 1, "patient", 5, True)])],
    names=("A", "A"), classes=("commercial", "commercial"),
)  # fmt: skip
@example(  # the first export had the line without a charge
    claims=[Given((0, 20), 2, ("Balance Due", "Settled"), ("hold", ""), ("20001", ""), [])],
    names=("A", "B"), classes=("commercial", "medicare"),
)  # fmt: skip
def test_two_days_of_exports_give_the_books_of_the_second_alone(
    one_database: Sessions,
    tmp_path_factory: pytest.TempPathFactory,
    claims: list[Given],
    names: tuple[str, str],
    classes: tuple[str, str],
) -> None:
    folders = [_write(tmp_path_factory.mktemp("day"), day, claims, names, classes) for day in (0, 1)]
    both, alone = f"both{next(_names)}", f"alone{next(_names)}"

    _import(one_database, folders[0], both)
    check = _check(one_database, folders[1], both)
    second = _import(one_database, folders[1], both)
    _import(one_database, folders[1], alone)
    again = _import(one_database, folders[1], both)

    with one_database() as session:
        assert _books(session, both) == _books(session, alone)
        assert violations(session) == []
    assert (second.corrections.changed, second.corrections.missing) == (0, 0)
    assert second.agreement is not None
    assert check.forecast is not None
    assert check.forecast.after_cents == second.agreement.cents
    assert different_claims(check.forecast) == different_claims(second.agreement)
    assert (again.nothing_new, again.differences.count) == (True, 0)


@_few
@_worlds
def test_claims_settled_between_two_exports_keep_the_same_ledger_and_write_off_what_is_owed(
    one_database: Sessions,
    tmp_path_factory: pytest.TempPathFactory,
    claims: list[Given],
    names: tuple[str, str],
    classes: tuple[str, str],
) -> None:
    folders = [_write(tmp_path_factory.mktemp("day"), day, claims, names, classes) for day in (0, 1)]
    both, alone = f"both{next(_names)}", f"alone{next(_names)}"
    _import(one_database, folders[0], both)
    practice, unsettled = _practice(one_database, both), _imported(one_database, folders[1], alone)
    assume(any(one.new_from_line for one in claims))  # a job needs a claim
    practice.settle(cost_share_reason="Indigent")
    before = expected_balances.read(practice)

    check = _check(one_database, folders[1], both)
    second = _import(one_database, folders[1], both)
    assert second.agreement is not None
    assert check.forecast is not None
    assert check.forecast.after_cents == second.agreement.cents
    assert different_claims(check.forecast) == different_claims(second.agreement)
    assume(not second.recognized.postings)  # a new adjustment equals a write-off; another test is about these
    again = _import(one_database, folders[1], both)

    after, plain = expected_balances.read(practice), expected_balances.read(unsettled)
    for place in {*after.due, *plain.due}:
        owed = plain.due[place]
        assert after.due[place] + after.written_off[place] == owed, "the same postings"
        assert after.written_off[place] == max(0, min(before.written_off[place], owed)), place
    assert (again.nothing_new, again.differences.count) == (True, 0)
    with one_database() as session:
        assert violations(session) == []


def _write(folder: Path, day: int, claims: list[Given], names: tuple[str, str], classes: tuple[str, str]) -> Path:
    """Write the export of the day, 0 or 1."""
    rows: dict[str, list[str]] = {
        "billing_statuses.csv": [],
        "offices.csv": ["MAIN,Main"],
        "providers.csv": ["D,Doctor"],
        "payers.csv": [f"10001,Plan,{classes[day]}", "20001,Medicare,medicare"],
        "patients.csv": [f'P,"{names[day]}",'],
        "claims.csv": [], "line_items.csv": [], "postings.csv": [],
    }  # fmt: skip
    for number, claim in enumerate(claims):
        lines = [line for line in (1, 2) if day or line < claim.new_from_line]
        if not day and not claim.new_from_line:
            continue
        rows["claims.csv"].append(
            f"C{number},P,MAIN,D,,,2026-01-02,,{claim.statuses[day]},{claim.payers[day]},,,,{claim.holds[day]},,,,,,,,,"
        )
        # A line that the first day had without a charge is charged on the second day.
        rows["line_items.csv"] += [
            f"C{number},{line},99213,{claim.charges[line - 1] / 100:.2f},patient" for line in lines
        ]
        for nth, one in enumerate(claim.postings):
            if one.line in lines and (day or not one.is_new):
                rows["postings.csv"] += _rows(f"C{number}", f"{number}-{nth}", one)
    for name, texts in rows.items():
        (folder / name).write_text("\n".join([",".join(HEADS[name]), *texts, ""]), encoding="utf-8")
    return folder


def _rows(claim: str, key: str, one: Row) -> list[str]:
    sign = 1 if one.kind == "refund" else -1
    moves = [(one.side, sign * one.cents)]
    if one.kind == "transfer":
        moves.append((expected_balances.other(one.side), one.cents))
    paid_by = PAYER[one.side] if one.kind in ("payment", "refund") else ""
    codes = "CO,45" if one.kind == "adjustment" else ","
    return [
        f"{key}{side},{claim},{one.line},{side},{one.kind},{cents / 100:.2f},{paid_by},{codes},2026-02-03"
        for side, cents in moves
    ]


def _import(sessions: Sessions, folder: Path, name: str) -> Imported:
    with transaction(sessions) as session:
        return import_csv(
            session, folder, practice_name=name, now=NOW, options=ImportOptions(take_changes=True)
        )  # fmt: skip


def _check(sessions: Sessions, folder: Path, name: str) -> Imported:
    with sessions() as session:  # closed without a commit
        return import_csv(session, folder, practice_name=name, now=NOW, options=ImportOptions(check_only=True))


def _practice(sessions: Sessions, name: str) -> GivenPractice:
    with transaction(sessions) as session:
        biller = add_user(session, find_by_name(session, name).id, f"biller@{name}.example", Role.BILLER)
    practice = GivenPractice(sessions, biller.practice_id, biller)
    practice.set_write_off(WriteOffSetting.BOTH)
    return practice


def _imported(sessions: Sessions, folder: Path, name: str) -> GivenPractice:
    _import(sessions, folder, name)
    return _practice(sessions, name)


def _books(session: Session, name: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return claims, lines, postings, patients and payers of the practice, without ids, versions and times."""
    practice_id = session.scalars(select(Practice.id).where(Practice.name == name)).one()
    primary = aliased(Payer)
    claims = select(
        Claim.external_id, Claim.billing_status, Claim.reopened, cast(Claim.hold, Text), Claim.billed, Claim.adjustment,
        Claim.primary_paid, Claim.patient_paid, Claim.insurance_due, Claim.patient_due, Claim.has_credit_line,
        Claim.last_payment_on, primary.external_id,
    )  # fmt: skip
    of_payer = and_(primary.practice_id == Claim.practice_id, primary.id == Claim.primary_payer_id)
    of_claim = and_(Claim.practice_id == practice_id)
    lines = select(
        Claim.external_id, LineItem.number, LineItem.charge, LineItem.insurance_due, LineItem.patient_due
    ).join(LineItem, and_(LineItem.practice_id == practice_id, LineItem.claim_id == Claim.id))
    postings = select(
        Claim.external_id, Posting.line, Posting.source_id, cast(Posting.kind, Text), Posting.amount_cents,
        cast(Posting.responsibility, Text), func.coalesce(cast(Posting.paid_by, Text), ""), Posting.posted_on,
    ).join(Posting, and_(Posting.practice_id == practice_id, Posting.claim_id == Claim.id))  # fmt: skip
    return {
        "claims": sorted(map(tuple, session.execute(claims.outerjoin(primary, of_payer).where(of_claim))), key=str),
        "lines": sorted(map(tuple, session.execute(lines.where(of_claim)))),
        "postings": sorted(map(tuple, session.execute(postings.where(of_claim)))),
        "patients": [*map(tuple, session.execute(select(Patient.name).where(Patient.practice_id == practice_id)))],
        "payers": sorted(
            map(
                tuple,
                session.execute(
                    select(Payer.external_id, cast(Payer.payer_class, Text)).where(Payer.practice_id == practice_id)
                ),
            )
        ),
    }

"""What was written off in a month, by reason and by user: always equal to the month's totals by kind."""

import datetime as dt
from typing import Any

import pytest

from core.access.permissions import Actor
from core.books import closing, month_write_offs
from core.books.month_write_offs import MonthWriteOffs
from core.enums.people import Role
from core.ledger import voids
from core.ledger.entries import Void
from core.ledger.ledger_queries import list_ledger_rows
from core.practices import reasons
from tests.core.schedules.conftest import FIRST_RUN, ScheduledPractice, scheduled  # noqa: F401  a fixture
from tests.factories import NOW, GivenPractice, Line

NOVEMBER = dt.date(2026, 11, 1)


def of_month(practice: GivenPractice, month: dt.date = NOVEMBER) -> MonthWriteOffs:
    found: MonthWriteOffs = practice.do(month_write_offs.for_month, practice.id, month)
    return found


def facts(rows: list[Any]) -> list[tuple[Any, ...]]:
    return [
        (row.name, row.responsibility and row.responsibility.value, row.write_offs, row.written_off_cents,
         row.reversals, row.reversed_cents, row.later_cents, row.net_cents)
        for row in rows
    ]  # fmt: skip


def void_payment(practice: GivenPractice, number: str, cents: int) -> None:
    claim = practice.post(number, cents, key=f"payment on {number}").claim
    with practice.sessions() as session:
        payment = list_ledger_rows(session, practice.id, claim.id)[-1]
    practice.do(
        voids.void, number, payment.id, Void.of({"note": "Mistyped"}), by=practice.biller,
        idempotency_key=f"void on {number}", now=NOW,
    )  # fmt: skip


@pytest.fixture
def busy_month(practice: GivenPractice, admin: Actor) -> GivenPractice:
    """Two reasons, two users, a reversal by a job, a payment after write-off and a voided payment."""
    for number, insurance, patient in (("1", 30_00, 20_00), ("2", 0, 100_00), ("3", 0, 7_00), ("4", 0, 50_00)):
        practice.claim(number, Line(insurance, patient))
    practice.settle({"claim_ids": ["1"]}, key="one")
    practice.act(reasons.change, "small_balance", {"name": "Tiny balance"}, by=admin)
    practice.settle({"claim_ids": ["2"]}, key="two", reason="charity")
    dana = practice.person("dana@lakeside.example", Role.BILLER)
    wrong = practice.confirmed({"claim_ids": ["3"]}, key="three", by=dana)
    practice.run()
    practice.reverse(wrong, by=admin)
    practice.run()
    practice.post("2", 40_00, key="late")
    void_payment(practice, "4", 50_00)
    return practice


def test_write_offs_of_a_month_are_net_of_reversals_by_the_reason_of_each_job(busy_month: GivenPractice) -> None:
    found = of_month(busy_month)

    assert facts(found.by_reason) == [
        ("Charity", "patient", 1, 100_00, 0, 0, 40_00, 60_00),
        ("Small balance", "insurance", 1, 30_00, 0, 0, 0, 30_00),
        ("Small balance", "patient", 1, 20_00, 0, 0, 0, 20_00),
        ("Tiny balance", "patient", 1, 7_00, 1, 7_00, 0, 0),
    ]
    assert facts(found.total) == [
        ("Total", "insurance", 1, 30_00, 0, 0, 0, 30_00),
        ("Total", "patient", 3, 127_00, 1, 7_00, 40_00, 80_00),
        ("Total", None, 4, 157_00, 1, 7_00, 40_00, 110_00),
    ]


def test_write_offs_of_a_month_are_listed_by_the_user_who_confirmed_them(busy_month: GivenPractice) -> None:
    assert facts(of_month(busy_month).by_user) == [
        ("biller", "insurance", 1, 30_00, 0, 0, 0, 30_00),
        ("biller", "patient", 2, 120_00, 0, 0, 40_00, 80_00),
        ("dana", "patient", 1, 7_00, 1, 7_00, 0, 0),
    ]


def test_write_offs_reversed_write_offs_and_voided_postings_equal_the_totals_of_the_month(
    busy_month: GivenPractice, admin: Actor
) -> None:
    found = of_month(busy_month)
    assert found.reversed_write_offs == {"patient": {"count": 2, "cents": 107_00}}
    assert found.voided == {"patient": {"count": 1, "cents": 50_00}}

    closed = busy_month.do(closing.close, NOVEMBER, by=admin, now=NOW)

    assert of_month(busy_month) == found
    total = found.total[-1]
    written = total.written_off_cents + found.restored_cents
    assert written == -sum(side["cents"] for side in closed.totals["write_off"].values())
    back = total.reversed_cents + found.later_reversed_cents
    assert back + 50_00 == sum(side["cents"] for side in closed.totals["reversal"].values()), "and the void"
    for table in (found.by_reason, found.by_user, found.total[:-1]):
        assert sum(row.net_cents for row in table) == written - back


def test_a_reversal_counts_in_its_own_month_with_the_reason_of_the_write_off(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, 9_00))
    job = practice.settle(posting_date=dt.date(2026, 10, 30), reason="charity")
    practice.reverse(job, by=admin)
    practice.run()

    assert facts(of_month(practice, dt.date(2026, 10, 1)).by_reason) == [("Charity", "patient", 1, 9_00, 0, 0, 0, 9_00)]
    assert facts(of_month(practice).by_reason) == [("Charity", "patient", 0, 0, 1, 9_00, 0, -9_00)]


def test_a_month_without_write_offs_has_no_rows(practice: GivenPractice) -> None:
    assert of_month(practice) == MonthWriteOffs([], [], [], {}, {}, {})


def test_write_offs_of_scheduled_runs_are_listed_by_the_name_of_the_schedule(
    scheduled: ScheduledPractice,  # noqa: F811
) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.read(scheduled.schedule())
    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    assert facts(of_month(scheduled.practice).by_user) == [
        (f"Schedule “{schedule.name}”", "insurance", 1, 10_00, 0, 0, 0, 10_00),
        (f"Schedule “{schedule.name}”", "patient", 1, 5_00, 0, 0, 0, 5_00),
    ]

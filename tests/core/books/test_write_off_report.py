"""The write-offs report: each amount is the sum of its claims, whatever it is grouped by."""

import csv
import datetime as dt
import itertools
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from core import calendar_months
from core.access.permissions import Actor
from core.books import month_write_offs, report_request, write_off_claims, write_off_report
from core.books.report_request import BadReport
from core.books.write_off_claims import Amount, ClaimPage
from core.books.write_off_groups import OF_CHARGES, Asked, sums_query
from core.books.write_off_report import Amounts, Report
from core.enums.ledger_sums import SumKind
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.enums.write_off_report import DIMENSION_NAMES, Column, Dimension
from core.money import format_plain_amount, format_rate
from tests.core.schedules.conftest import FIRST_RUN, ScheduledPractice, scheduled  # noqa: F401  a fixture
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice

JANUARY, NOVEMBER = dt.date(2026, 1, 1), dt.date(2026, 11, 1)
D = Dimension
CHARGES = """SELECT coalesce(r.external_id, ''), sum(p.amount_cents)::bigint FROM posting p
    JOIN claim c ON c.id = p.claim_id LEFT JOIN payer r ON r.id = c.primary_payer_id
    WHERE p.practice_id = :id AND p.kind = 'charge' GROUP BY 1"""
OF = {
    Column.WRITTEN_OFF: lambda one: one.written_off_cents, Column.REVERSED: lambda one: one.reversed_cents,
    Column.RECOVERED: lambda one: one.recovered_cents, Column.REPLACED: lambda one: one.replaced_cents,
    Column.NET: lambda one: one.net_cents, Column.CHARGES: lambda one: one.charges_cents,
}  # fmt: skip


def read(practice: GivenPractice, *by: Dimension, first: dt.date = JANUARY, last: dt.date = NOVEMBER) -> Report:
    found: Report = practice.do(write_off_report.report, practice.id, Asked(first, last, by))
    return found


def behind(practice: GivenPractice, amount: Amount, *, cursor: str | None = None, limit: int = 100) -> ClaimPage:
    found: ClaimPage = practice.do(write_off_claims.page, practice.id, amount, cursor=cursor, limit=limit)
    return found


def cents(one: Amounts) -> tuple[int, ...]:
    return one.written_off_cents, one.reversed_cents, one.recovered_cents, one.replaced_cents, one.net_cents


@pytest.fixture
def busy(practice: GivenPractice, admin: Actor) -> GivenPractice:
    """Two months, reasons, users, payers and providers, with a reversal, late postings, and another practice."""
    tricare = practice.payer("T", PayerClass.TRICARE)
    second = practice.provider("P2", write_off=None)
    practice.claim("1", Line(30_00, 20_00))
    practice.claim("2", Line(0, 100_00), primary_payer_id=tricare)
    practice.claim("3", Line(0, 7_00), primary_payer_id=None, billing_provider_id=second)
    practice.claim("4", Line(9_00, 50_00), billing_provider_id=second)
    practice.settle({"claim_ids": ["1"]}, key="one", posting_date=dt.date(2026, 10, 30))
    practice.settle({"claim_ids": ["2"]}, key="two", reason="charity")
    dana = practice.person("dana@lakeside.example", Role.BILLER)
    by_dana = practice.confirmed({"claim_ids": ["3", "4"]}, key="three", by=dana, reason="charity")
    practice.run()
    practice.reverse(by_dana, "3", by=admin)
    practice.run()
    practice.post("2", 40_00, key="payment")
    practice.post("4", 5_00, key="adjusted", kind="adjustment", group_code="CO", reason_code="45")
    other = a_practice(practice.sessions, name="Hillside")
    other.claim("1", Line(999, 999))
    other.settle()
    return practice


def test_the_database_sums_jobs_that_the_report_shows_alike(practice: GivenPractice) -> None:
    for number in practice.claims(3):
        practice.settle({"claim_ids": [number]}, key=number)

    def rows(*by: Dimension) -> int:
        found = practice.do(
            lambda session: session.execute(sums_query(practice.id, Asked(NOVEMBER, NOVEMBER, by))).all()
        )
        return sum(row.kind == SumKind.WRITE_OFF for row in found)

    assert (rows(D.REASON, D.PERSON), rows(D.PERSON)) == (1, 1)
    practice.sql('UPDATE settle_job SET practice_reason = \'{"name": "Other"}\' WHERE id = 2')
    assert (rows(D.REASON, D.PERSON), rows(D.PERSON)) == (2, 1)


def test_reversals_and_late_postings_stand_beside_the_write_offs_of_their_reason_and_user(busy: GivenPractice) -> None:
    by_reason = {(row.values[D.MONTH].code, row.values[D.REASON].name): cents(row.amounts)
                 for row in read(busy, D.MONTH, D.REASON).rows}  # fmt: skip
    by_person = {row.values[D.PERSON].name: cents(row.amounts) for row in read(busy, D.PERSON).rows}

    assert by_reason == {
        ("2026-11", "Charity"): (166_00, 7_00, 40_00, 5_00, 114_00),
        ("2026-10", "Small balance"): (50_00, 0, 0, 0, 50_00),
    }
    assert by_person == {"biller": (150_00, 0, 40_00, 0, 110_00), "dana": (66_00, 7_00, 0, 5_00, 54_00)}
    assert cents(read(busy, D.PERSON).total) == (216_00, 7_00, 40_00, 5_00, 164_00)


def test_each_amount_is_the_sum_of_its_claims_for_every_choice_of_groups(busy: GivenPractice) -> None:
    checked = 0
    for size in (0, 1, 2, len(D)):
        for by in itertools.combinations(D, size):
            for row in read(busy, *by).rows:
                group = {one: value.code for one, value in row.values.items()}
                month = group.pop(D.MONTH, None)
                months = (calendar_months.parse_month(month),) * 2 if month else (JANUARY, NOVEMBER)
                for column, of in OF.items():
                    if of(row.amounts) is None:
                        assert column is Column.CHARGES
                        assert not OF_CHARGES.issuperset(by)
                        continue
                    found = behind(busy, Amount(column, *months, group))
                    assert found.cents == sum(one.cents for one in found.rows) == of(row.amounts), (by, column, group)
                    checked += found.claims
    assert checked > 230


def test_the_list_of_claims_comes_in_pages_the_largest_first(busy: GivenPractice) -> None:
    amount = Amount(Column.NET, JANUARY, NOVEMBER)
    found, cursor = [], None
    while True:
        page = behind(busy, amount, cursor=cursor, limit=1)
        assert (page.claims, page.cents) == (3, 164_00)
        found += [(one.claim_id, one.cents) for one in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == [("2", 60_00), ("4", 54_00), ("1", 50_00)]


def test_the_rate_is_the_net_against_the_charges_of_the_same_payers(busy: GivenPractice) -> None:
    whole = read(busy, D.PAYER)
    rows = {row.values[D.PAYER].code: row.amounts for row in whole.rows}
    with busy.sessions() as session:
        by_payer = dict(session.execute(text(CHARGES), {"id": busy.id}).all())

    assert {code: one.charges_cents for code, one in rows.items()} == by_payer
    assert whole.total.charges_cents == sum(by_payer.values())
    assert rows["T"].rate_basis_points == round(60_00 * 10_000 / by_payer["T"])


@pytest.mark.parametrize(("table", "by"), [("by_reason", D.REASON), ("by_user", D.PERSON)])
def test_the_month_page_the_report_and_its_file_show_the_same_amounts(busy: GivenPractice, table: str, by: D) -> None:
    of_month = busy.do(month_write_offs.for_month, busy.id, NOVEMBER)
    sums: dict[str, Counter[str]] = {}
    for row in getattr(of_month, table):
        sums.setdefault(row.name, Counter()).update({
            "written off": row.written_off_cents, "reversed": row.reversed_cents, "later": row.later_cents,
            "net": row.net_cents,
        })  # fmt: skip

    report = read(busy, by, first=NOVEMBER)

    shown = {row.values[by].name: row.amounts for row in report.rows}
    assert sums == {
        name: {
            "written off": one.written_off_cents, "reversed": one.reversed_cents,
            "later": one.recovered_cents + one.replaced_cents, "net": one.net_cents,
        }
        for name, one in shown.items()
    }  # fmt: skip
    exported = csv.DictReader("".join(map(str, write_off_report.file(report, "csv"))).lstrip("\ufeff").splitlines())
    recovered = {row[DIMENSION_NAMES[by]]: row["Recovered"] for row in exported}
    assert {name: format_plain_amount(one.recovered_cents) for name, one in shown.items()} == {
        name: cents for name, cents in recovered.items() if name != "Total"
    }
    back = sum(side["cents"] for side in of_month.reversed_write_offs.values())
    assert back - of_month.restored_cents == report.total.back_cents


@pytest.mark.parametrize(
    ("net", "charges", "basis_points", "shown"),
    [
        (5, 0, None, "–"), (0, 100, 0, "0.0%"), (1_496, 1_000_000, 15, "0.1%"), (1_500, 1_000_000, 15, "0.2%"),
        (-1_496, 1_000_000, -15, "-0.1%"), (-4, 10_000, -4, "0.0%"), (1, 8, 1_250, "12.5%"), (1, 16, 625, "6.3%"),
        (10**17 + 1, 2 * 10**17, 5_000, "50.0%"), (2 * 10**17 + 50, 2 * 10**20, 10, "0.1%"),
        (10, 1, 100_000, "1000.0%"), (25, 20_000, 13, "0.1%"),
    ],
)  # fmt: skip
def test_a_rate_is_rounded_once_from_the_exact_amounts(
    net: int, charges: int, basis_points: int | None, shown: str
) -> None:
    amounts = Amounts(patient_cents=net, charges_cents=charges)

    assert (amounts.rate_basis_points, format_rate(net, charges)) == (basis_points, shown)


def test_scheduled_runs_are_grouped_by_their_schedule(scheduled: ScheduledPractice) -> None:  # noqa: F811
    scheduled.practice.claims(1)
    schedule = scheduled.read(scheduled.schedule())
    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    (row,) = read(scheduled.practice, D.PERSON).rows

    assert row.values[D.PERSON].name == f"Schedule “{schedule.name}”"
    amount = Amount(Column.WRITTEN_OFF, NOVEMBER, NOVEMBER, {D.PERSON: row.values[D.PERSON].code})
    assert behind(scheduled.practice, amount).cents == row.amounts.written_off_cents == 15_00


def test_a_file_has_a_total_and_charges_only_for_groups_that_charges_have(busy: GivenPractice) -> None:
    lines = "".join(map(str, write_off_report.file(read(busy, D.MONTH, D.REASON), "csv"))).removeprefix("\ufeff")

    head, first, *_, total = lines.splitlines()
    assert head.startswith("Month,Reason,Written off,Insurance,Patient,Reversed,Recovered,Adjusted later,Net written")
    assert first.startswith("11/01/2026,Charity,166.00,9.00,157.00,7.00,40.00,5.00,114.00")
    assert total == "Total,,216.00,39.00,177.00,7.00,40.00,5.00,164.00", "a charge has no reason"

    by_payer = "".join(map(str, write_off_report.file(read(busy, D.PAYER), "csv"))).splitlines()
    assert by_payer[0].endswith(",Net written off,Charges,Net % of charges")
    charges = [Decimal(line.split(",")[-2]) for line in by_payer[1:]]
    assert sum(charges[:-1]) == charges[-1] > 0, "the column adds up"


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        (("2026-12", "2026-11", []), "The first month is after the last one."),
        (("1999-01", "2026-11", []), "Choose at most 120 months."),
        (("", "", ["weekday"]), "'weekday' is not a group. Choose from month, payer"),
        (("2026-13", "", []), "Write the month as YYYY-MM"),
    ],
)
def test_a_request_that_cannot_be_shown_is_refused(given: Any, refusal: str) -> None:
    with pytest.raises((BadReport, calendar_months.BadMonth), match=refusal.replace("?", r"\?")):
        report_request.parse_asked(*given, today=TODAY)


def test_the_default_is_the_last_twelve_months_by_month_and_reason() -> None:
    asked = report_request.parse_asked("", "", [], today=NOW.date())

    assert asked == Asked(dt.date(2025, 12, 1), NOVEMBER, (D.MONTH, D.REASON))

"""The A/R aging: each amount is the sum of the claims that the feed shows for it, and the net is the ledger's."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from core.claims import aging, feed
from core.claims.age_buckets import BUCKETS, Bucket
from core.claims.aging import Aging, AgingRow, Sum
from core.claims.claim_filter import ClaimFilter
from core.claims.feed_order import Sort
from core.claims.feed_totals import NO_CLAIMS
from core.db.engine import transaction
from core.enums.ledger import Responsibility
from core.enums.practices import PayerClass
from core.jobs.preview.job_request import BadRequest, Matching
from core.models.ledger import Posting
from core.models.practices import Payer
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice

INSURANCE, PATIENT = Responsibility.INSURANCE, Responsibility.PATIENT


def add_payer(practice: GivenPractice, name: str) -> int:
    columns = {"practice_id": practice.id, "external_id": name, "name": name, "payer_class": PayerClass.COMMERCIAL}
    with transaction(practice.sessions) as session:
        return session.scalars(insert(Payer).values(columns).returning(Payer.id)).one()


def read(practice: GivenPractice) -> Aging:
    with practice.sessions() as session:
        return aging.aging(session, practice.id, today=TODAY)


@pytest.mark.parametrize(
    ("days", "place"),
    [(-3, 0), (0, 0), (30, 0), (31, 1), (60, 1), (61, 2), (90, 2), (91, 3), (120, 3), (121, 4), (4_000, 4)],
)
def test_an_age_belongs_to_one_bucket(practice: GivenPractice, days: int, place: int) -> None:
    practice.claim("1", Line(1_000, 250), service_date=TODAY - dt.timedelta(days=days))

    for side, cents in ((INSURANCE, 1_000), (PATIENT, 250)):
        row = read(practice).totals[side]
        assert [one.cents for one in row.owed] == [cents if n == place else 0 for n in range(len(BUCKETS))]


def test_rows_are_payers_the_largest_first_and_credits_stand_apart(practice: GivenPractice) -> None:
    big = add_payer(practice, "Big Health")
    practice.claim("1", Line(100, 40))
    practice.claim("2", Line(-30, 0))
    practice.claim("3", Line(5_000, 0), primary_payer_id=big, secondary_payer_id=practice.ids["Payer"])
    practice.claim("4", Line(0, 700), primary_payer_id=None)
    practice.claim("5", Line(0, 0), primary_payer_id=None)
    a_practice(practice.sessions, name="Hillside").claim("1", Line(999, 999))

    found = read(practice)

    assert [(row.payer, row.total, row.credits) for row in found.rows[INSURANCE]] == [
        ("Big Health", Sum(1, 5_000), Sum()),
        ("The Payer", Sum(1, 100), Sum(1, -30)),
    ]
    assert [(row.payer, row.total) for row in found.rows[PATIENT]] == [(None, Sum(1, 700)), ("The Payer", Sum(1, 40))]
    assert (found.totals[INSURANCE].net_cents, found.totals[PATIENT].net_cents) == (5_070, 740)
    with practice.sessions() as session:
        in_ledger = session.scalar(select(func.sum(Posting.amount_cents)).where(Posting.practice_id == practice.id))
    assert found.all.net_cents == in_ledger == 5_810


def test_the_feed_shows_the_claims_of_each_amount(practice: GivenPractice) -> None:
    other = add_payer(practice, "other")
    for n, days in enumerate((0, 30, 31, 75, 100, 200)):
        age = {"service_date": TODAY - dt.timedelta(days=days)}
        practice.claim(f"a{n}", Line(100 + n, 10), **age)
        practice.claim(f"b{n}", Line(200 + n, -5), primary_payer_id=other, **age)
        practice.claim(f"c{n}", Line(0, 30 + n), primary_payer_id=None, **age)
    found, checked = read(practice), 0

    for side, rows in found.rows.items():
        for row in rows:
            for one, bucket in zip(row.owed, BUCKETS, strict=True):
                assert of_feed(practice, side, row, bucket) == one
                checked += one.claims
    assert checked == 6 + 6 + 6 + 6  # insurance of a and b, patient of a and c


def of_feed(practice: GivenPractice, side: Responsibility, row: AgingRow, bucket: Bucket) -> Sum:
    keys: dict[str, Any] = {f"{side.value}_due_min_cents": 1}
    keys |= {"primary_payer_id": row.payer_id} if row.payer_id else {"has_primary": False}
    keys["age_bucket"] = bucket.key
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        totals = feed.totals(session, practice.id, ClaimFilter.of(keys), terms)
    return Sum(totals.claims, totals.insurance_due if side is INSURANCE else totals.patient_due)


def test_the_file_has_a_row_for_each_payer_and_a_totals_row(practice: GivenPractice) -> None:
    practice.claim("1", Line(1_000, 250), service_date=TODAY - dt.timedelta(days=45))
    practice.claim("2", Line(0, -50), primary_payer_id=None)

    lines = "".join(map(str, aging.file(read(practice), "csv"))).removeprefix("\ufeff").splitlines()

    assert lines[0].split(",")[:5] == ["Responsibility", "Payer", "Payer ID", "0–30 days", "31–60 days"]
    assert lines[1:] == [
        "insurance,The Payer,1,0.00,10.00,0.00,0.00,0.00,10.00,0.00,10.00",
        "patient,The Payer,1,0.00,2.50,0.00,0.00,0.00,2.50,0.00,2.50",
        "patient,Self-pay,,0.00,0.00,0.00,0.00,0.00,0.00,-0.50,-0.50",
        "Total,,,0.00,12.50,0.00,0.00,0.00,12.50,-0.50,12.00",
    ]


def test_the_feed_sums_the_claims_of_a_filter_by_age(practice: GivenPractice) -> None:
    for n, days in enumerate((-3, 30, 31, 75, 100, 121, 4_000)):
        practice.claim(f"a{n}", Line(100, 10 + n), service_date=TODAY - dt.timedelta(days=days))
        practice.claim(
            f"b{n}", Line(999, 0), service_date=TODAY - dt.timedelta(days=days), billing_status="Paid In Full"
        )
    a_practice(practice.sessions, name="Hillside").claim("1", Line(7, 7), billing_status="Balance Due")
    f = ClaimFilter.of({"billing_status": "Balance Due"})
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        found = feed.totals_by_age(session, practice.id, f, terms)
        whole = feed.totals(session, practice.id, f, terms)
        rows = list(feed.stream_rows(session, practice.id, f, sort=feed.DEFAULT_SORT, terms=terms))

    assert {key: (sums.claims, sums.insurance_due, sums.patient_due) for key, sums in found.items()} == {
        "0-30": (2, 200, 21), "31-60": (1, 100, 12), "61-90": (1, 100, 13), "91-120": (1, 100, 14),
        "over-120": (2, 200, 31),
    }  # fmt: skip
    assert sum(found.values(), NO_CLAIMS) == whole
    assert {row.claim_id: row.age_bucket for row in rows} == {
        "a0": "0-30", "a1": "0-30", "a2": "31-60", "a3": "61-90", "a4": "91-120", "a5": "over-120", "a6": "over-120",
    }  # fmt: skip


@pytest.mark.parametrize("eligibility", [(), ("can_settle",)])
def test_buckets_filter_the_feed_by_any_of_their_ages(practice: GivenPractice, eligibility: tuple[str, ...]) -> None:
    for days in (-1, 30, 31, 60, 61, 121):
        practice.claim(str(days), Line(0, 10), service_date=TODAY - dt.timedelta(days=days))
    keys = {"age_bucket": ["31-60", "over-120"], **({"eligibility": list(eligibility)} if eligibility else {})}
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        page = feed.page(session, practice.id, ClaimFilter.of(keys), cursor=None, limit=9, terms=terms)

    assert [row.claim_id for row in page.rows] == ["31", "60", "121"]


def test_ages_can_count_from_the_first_bill(practice: GivenPractice) -> None:
    def ago(days: int) -> dt.date:
        return TODAY - dt.timedelta(days=days)

    practice.claim("late", Line(0, 10), service_date=ago(130), first_edi_on=ago(40))
    practice.claim("prompt", Line(0, 20), service_date=ago(50), first_edi_on=ago(45))
    practice.claim("unbilled", Line(0, 30), service_date=ago(70))

    def read_feed(**keys: Any) -> tuple[dict[str, str], dict[str, int]]:
        f = ClaimFilter.of(keys)
        with practice.sessions() as session:
            terms = feed.terms_for(session, practice.id, now=NOW)
            page = feed.page(session, practice.id, f, sort=Sort.of("age"), cursor=None, limit=2, terms=terms)
            rest = (
                feed.page(session, practice.id, f, sort=Sort.of("age"), cursor=page.next_cursor, limit=2, terms=terms)
                if page.next_cursor
                else None
            )
            sums = feed.totals_by_age(session, practice.id, f, terms)
        rows = {row.claim_id: row.age_bucket for row in [*page.rows, *(rest.rows if rest else [])]}
        return rows, {key.value: one.patient_due for key, one in sums.items() if one.claims}

    by_service = {"prompt": "31-60", "unbilled": "61-90", "late": "over-120"}
    by_bill = {"late": "31-60", "prompt": "31-60", "unbilled": "61-90"}
    for keys in ({}, {"age_basis": "service"}):
        rows, sums = read_feed(**keys)
        assert (list(rows.items()), sums) == (list(by_service.items()), {"31-60": 20, "61-90": 30, "over-120": 10})
    rows, sums = read_feed(age_basis="first_bill")
    assert (list(rows.items()), sums) == (list(by_bill.items()), {"31-60": 30, "61-90": 30})
    assert list(read_feed(age_basis="first_bill", age_bucket="31-60")[0]) == ["late", "prompt"]
    assert list(read_feed(age_basis="first_bill", age_min_days=41, age_max_days=69)[0]) == ["prompt"]


def test_what_ages_count_from_does_not_narrow_a_filter() -> None:
    assert ClaimFilter.of({"age_basis": "first_bill"}).selects_every_claim
    with pytest.raises(BadRequest):
        Matching(filter={"age_basis": "first_bill"})

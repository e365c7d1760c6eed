"""Feed filters: the page, totals, counts and selection agree."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from core.claims import feed
from core.claims.claim_filter import BadFilter, ClaimFilter
from core.claims.feed import Sort
from core.claims.lookup import find
from core.enums.claims import ClaimStatus, ClaimType, Hold
from core.enums.job_items import Outcome
from core.enums.jobs import JobStatus
from core.enums.practices import WriteOffSetting
from core.errors import NotFound
from core.models.job_items import JobItem
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice
from tests.remittances import SERVICE_ON, clp, st, svc, take_transactions
from tests.servers import Databases
from tests.worlds import World, a_world


def found(practice: GivenPractice, **given: Any) -> list[str]:
    """Return the claims that a filter finds. Check that totals, counts and a job's selection agree with the page."""
    f = ClaimFilter.of(given)
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        rows = feed.page(session, practice.id, f, sort=Sort.of("claim"), cursor=None, limit=200, terms=terms).rows
        totals = feed.totals(session, practice.id, f, terms)
        counts = feed.counts_by_billing_status(session, practice.id, f, terms)
        ids = session.scalars(feed.matching_ids(practice.id, f, terms=terms)).all()
    assert totals.claims == len(rows) == len(ids)
    assert totals.total_due == sum(row.total_due for row in rows)
    statuses = f.billing_status or counts
    assert sum(counts.get(status, 0) for status in statuses) == len(rows)
    return [row.claim_id for row in rows]


def add_mixed(practice: GivenPractice) -> None:
    """Add one claim for each rule of the feed."""
    both = Line(1_000, 500)
    practice.claim("can", both)
    practice.claim("credit", Line(-300, 500))
    practice.claim("credit-patient", Line(300, -500))
    practice.claim("credit-hidden", Line(300, 900), Line(500, -200))
    practice.claim("held", both, hold=Hold.APPEAL)
    practice.claim("future", both, service_date=TODAY + dt.timedelta(days=3))
    practice.claim("in-process", both, primary_status=ClaimStatus.AT_PAYER)
    payer = practice.ids["Payer"]
    practice.claim("secondary", both, secondary_payer_id=payer)
    practice.claim("settled", billing_status="Settled")
    practice.claim("nothing")


@pytest.fixture(scope="module")
def world(databases: Databases) -> Iterator[World]:
    with a_world(databases, add_mixed) as world:
        yield world


@pytest.fixture
def mixed(world: World) -> GivenPractice:
    """A practice with one claim for each rule of the feed."""
    return world.shared


def add_three(practice: GivenPractice) -> None:
    """Add three claims that differ in what the filters read."""
    review = {"billing_status": "Internal Review", "primary_status": ClaimStatus.REJECTED}
    practice.claim("a", Line(1_000, 500), patient_id=practice.patient("Núñez, José"))
    practice.claim("b", Line(500, 200), patient_id=practice.patient("Abel Quinto"), service_date=TODAY, **review)
    odd = {"claim_type": ClaimType.INSTITUTIONAL, "hold": Hold.HOLD}
    practice.claim("c", Line(1, 0), patient_id=practice.patient("100%_\\"), **odd)


@pytest.fixture(scope="module")
def three(databases: Databases) -> Iterator[GivenPractice]:
    with a_world(databases, add_three) as world:
        yield world.shared


@pytest.mark.parametrize(
    ("eligibility", "claims"),
    [
        ("can_settle", ["can"]),
        ("credit_insurance", ["credit"]),
        ("credit_patient", ["credit-patient"]),
        ("credit_line", ["credit-hidden"]),
        ("on_hold", ["held"]),
        ("future_service", ["future"]),
        ("in_process", ["in-process"]),
        ("secondary_pending", ["secondary"]),
        ("already_settled", ["settled"]),
        ("nothing_due", ["nothing"]),
        (["can_settle", "on_hold"], ["can", "held"]),
    ],
)
def test_the_write_off_check_filter_finds_the_claims_of_its_rule(
    mixed: GivenPractice, eligibility: Any, claims: list[str]
) -> None:
    assert found(mixed, eligibility=eligibility) == claims


def test_every_claim_has_exactly_one_write_off_check_code(mixed: GivenPractice) -> None:
    by_code = [claim for code in feed.ELIGIBILITY for claim in found(mixed, eligibility=code)]

    assert sorted(by_code) == sorted(found(mixed))


def test_a_hold_takes_precedence_over_later_rules(practice: GivenPractice) -> None:
    practice.claim("1", Line(-100, 0), hold=Hold.HOLD)

    assert found(practice, eligibility="on_hold") == ["1"]
    assert found(practice, eligibility="credit_insurance") == []


def test_the_practices_and_the_providers_settings_decide_what_can_settle(sessions: Any) -> None:
    practice = a_practice(sessions, write_off=WriteOffSetting.NEITHER)
    own = practice.provider("own", write_off=WriteOffSetting.PATIENT)
    practice.claim("neither", Line(1_000, 500))
    practice.claim("patient", Line(1_000, 500), billing_provider_id=own)

    assert found(practice, eligibility="write_off_off") == ["neither"]
    assert found(practice, eligibility="can_settle") == ["patient"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"eligibility": "can_setle"}, "eligibility: unknown 'can_setle'; it must be one of can_settle, "),
        ({"billing_status": "Setled"}, "billing_status: unknown 'Setled'; it must be one of Not Submitted, "),
        ({"billing_status": ["Settled", "Lost"]}, "billing_status: unknown 'Lost'; it must be one of Not Submitted, "),
    ],
)
def test_an_unknown_status_or_write_off_check_is_named_in_the_refusal(
    practice: GivenPractice, given: dict[str, Any], expected: str
) -> None:
    practice.claims(1)
    for use in (lambda: found(practice, **given), lambda: practice.preview({"filter": given})):
        with pytest.raises(BadFilter) as refused:
            use()
        assert refused.value.message.startswith(expected)


def test_a_claim_is_in_a_job_only_until_the_job_settles_it(practice: GivenPractice) -> None:
    practice.claims(3)
    practice.claim("held", Line(100, 0), hold=Hold.HOLD)
    job = practice.confirmed({"all": True}, chunk_claims=1)
    # the job does not reserve claims that it skips
    assert found(practice, in_job=True) == ["C00001", "C00002", "C00003"]

    with practice.sessions.begin() as session:
        first = update(JobItem).where(*job.of(JobItem), JobItem.position == 1)
        session.execute(first.values(outcome=Outcome.SETTLED, version_after=2))
    assert found(practice, in_job=True) == ["C00002", "C00003"]

    again = practice.preview({"all": True}, key="again")
    assert practice.read_job(again).preview["in_other_jobs"] == 2


def test_a_claim_number_matches_exactly_and_a_prefix_only_as_claim_id_prefix(practice: GivenPractice) -> None:
    for number in ("1", "10", "100", "2"):
        practice.claim(number, Line(100, 0))

    assert found(practice, claim_id="1") == ["1"]
    assert found(practice, claim_id_prefix="1") == ["1", "10", "100"]
    job = practice.preview({"filter": {"claim_id": "1"}})
    assert practice.counts(job)["remaining"] == 1


_LOOSE: list[tuple[dict[str, Any], str]] = [
    ({"from": 0}, "from: write the date as YYYY-MM-DD"),
    ({"from": "0"}, "from: write the date as YYYY-MM-DD"),
    ({"from": "2026-11-01T00:00:00"}, "from: write the date as YYYY-MM-DD"),
    ({"to": "20261101"}, "to: write the date as YYYY-MM-DD"),
    ({"to": " 2026-11-01"}, "to: write the date as YYYY-MM-DD"),
    (
        {"last_payment_before": "2026-02-30"},
        "last_payment_before: this date does not exist",
    ),
    ({"total_due_max_cents": 50.0}, "total_due_max_cents: write whole cents, such as 5000 for $50.00"),
    ({"total_due_max_cents": "50.00"}, "total_due_max_cents: write whole cents"),
    ({"total_due_max_cents": " 50 "}, "total_due_max_cents: write whole cents"),
    ({"total_due_max_cents": "1e3"}, "total_due_max_cents: write whole cents"),
    ({"total_due_max_cents": "٥٠"}, "total_due_max_cents: write whole cents"),
    ({"total_due_max_cents": True}, "total_due_max_cents: write whole cents"),
    ({"total_due_max_cents": "9" * 5_000}, "total_due_max_cents: write whole cents"),
    ({"total_due_max_cents": [1, 2]}, "total_due_max_cents: write whole cents"),
    ({"age_min_days": "+3"}, "age_min_days: write a whole number of days, such as 90"),
    ({"on_hold": "y"}, "on_hold: write true or false"),
    ({"on_hold": "True"}, "on_hold: write true or false"),
    ({"on_hold": 1}, "on_hold: write true or false"),
    ({"on_hold": "1"}, "on_hold: write true or false"),
    ({"claim_id": 1}, "claim_id: write a string"),
    ({"claim_id": ["1", "10"]}, "claim_id: write a string"),
    ({"claim_id": ""}, "claim_id: must not be empty"),
    ({"claim_id": None}, "claim_id: null is not a filter value; leave the key out"),
    ({"office": []}, "office: must not be empty"),
    ({"office": [7]}, "office: write a string"),
    ({"claim_status": "Lost"}, "claim_status: unknown 'Lost'; it must be one of none, In Process"),
    ({"claim_type": "Dental"}, "claim_type: unknown 'Dental'; it must be one of Professional, Institutional"),
    ({"color": "red"}, "color: unknown filter key; the known keys are: billing_status"),
]


@pytest.mark.parametrize(("given", "expected"), _LOOSE)
def test_a_malformed_filter_value_is_refused_with_its_key(given: dict[str, Any], expected: str) -> None:
    for read in (ClaimFilter.of, ClaimFilter.from_texts):
        with pytest.raises(BadFilter) as refused:
            read(given)
        assert refused.value.message.startswith(expected)


@pytest.mark.parametrize(
    ("texts", "means"),
    [
        ({"total_due_max_cents": "-50"}, {"total_due_max_cents": -50}),
        ({"age_max_days": "90"}, {"age_max_days": 90}),
        ({"in_job": "false"}, {"in_job": False}),
        ({"from": "2026-11-01"}, {"from": "2026-11-01"}),
        ({"office": "7"}, {"office": ["7"]}),
        ({"payer_id": "60054"}, {"payer_id": "60054"}),
    ],
)
def test_filter_values_in_a_url_mean_the_same_as_typed_values_in_json(
    texts: dict[str, str], means: dict[str, Any]
) -> None:
    assert ClaimFilter.from_texts(texts).given() == ClaimFilter.of(means).given() == means
    if type(next(iter(means.values()))) in (int, bool):
        with pytest.raises(BadFilter):
            ClaimFilter.of(texts)
        with pytest.raises(BadFilter):
            ClaimFilter.from_texts(means)


def test_a_value_above_its_range_is_refused_with_the_maximum(practice: GivenPractice) -> None:
    with pytest.raises(BadFilter, match="age_max_days: must be at most 40,000"):
        found(practice, age_max_days=40_001)


def test_in_job_finds_the_claims_that_an_unfinished_job_has_reserved(practice: GivenPractice) -> None:
    practice.claims(4)
    job = practice.preview({"claim_ids": ["C00002", "C00003"]})
    assert found(practice, in_job=True) == []  # a preview reserves nothing

    practice.confirm(job)
    assert found(practice, in_job=True) == ["C00002", "C00003"]
    assert found(practice, in_job=False, eligibility="can_settle") == ["C00001", "C00004"]

    practice.run()
    assert practice.progress(job).status is JobStatus.COMPLETED
    assert found(practice, in_job=True) == []


@pytest.mark.parametrize(
    ("given", "claims"),
    [
        ({"billing_status": "Internal Review"}, ["b"]),
        ({"billing_status": ["Internal Review", "Balance Due"]}, ["a", "b", "c"]),
        ({"claim_status": "Rejected"}, ["b"]),
        ({"claim_type": "Institutional"}, ["c"]),
        ({"patient": "QUINTO"}, ["b"]),
        ({"patient": "100%_\\"}, ["c"]),
        ({"patient": "%"}, ["c"]),
        ({"patient": "quinto, abel"}, ["b"]),
        ({"patient": "Abel Qu"}, ["b"]),
        ({"patient": "Äbel"}, ["b"]),
        ({"patient": '"abel qu"'}, ["b"]),
        ({"patient": '"Quinto Abel"'}, []),
        ({"patient": "nunez jose"}, ["a"]),
        ({"patient": "NÚÑEZ"}, ["a"]),
        ({"patient": '"Nunez"'}, []),
        ({"patient": "Quinto Cain"}, []),
        ({"patient": ","}, ["a"]),
        ({"patient_id": "P-Abel Quinto"}, ["b"]),
        ({"patient_id": ["P-Abel Quinto", "P-100%_\\"]}, ["b", "c"]),
        ({"patient_id": "P-Abel"}, []),
        ({"amount_cents": 700}, ["b"]),
        ({"amount_cents": 500}, ["a", "b"]),
        ({"claim_id": "a"}, ["a"]),
        ({"claim_id": "_"}, []),
        ({"claim_id_prefix": "a"}, ["a"]),
        ({"claim_id_prefix": "_"}, []),
        ({"claim_id_part": "B"}, ["b"]),
        ({"claim_id_part": "_"}, []),
        ({"claim_id_part": "%"}, []),
        ({"payer": "the pay"}, ["a", "b", "c"]),
        ({"payer": "other"}, []),
        ({"payer_id": "1"}, ["a", "b", "c"]),
        ({"primary_payer_id": "1"}, ["a", "b", "c"]),
        ({"primary_payer_id": "2"}, []),
        ({"has_primary": False}, []),
        ({"office": "1"}, ["a", "b", "c"]),
        ({"office": ["nowhere"]}, []),
        ({"from": "2026-11-01"}, ["b"]),
        ({"to": "2026-10-31"}, ["a", "c"]),
        ({"age_min_days": 30}, ["a", "c"]),
        ({"age_max_days": 30}, ["b"]),
        ({"total_due_min_cents": 1, "total_due_max_cents": 1}, ["c"]),
        ({"insurance_due_min_cents": 500}, ["a", "b"]),
        ({"patient_due_max_cents": 0}, ["c"]),
        ({"on_hold": True}, ["c"]),
        ({"on_hold": False}, ["a", "b"]),
        ({"has_secondary": True}, []),
        ({"last_payment_before": "2026-11-01"}, ["a", "b", "c"]),
    ],
)
def test_each_filter_key_narrows_the_feed(three: GivenPractice, given: dict[str, Any], claims: list[str]) -> None:
    assert found(three, **given) == claims


def test_claims_of_another_practice_are_never_found(practice: GivenPractice) -> None:
    other = a_practice(practice.sessions, name="Hillside")
    practice.claim("same", Line(100, 0))
    other.claim("same", Line(900, 0))

    assert found(practice) == ["same"]
    with practice.sessions() as session:
        assert feed.totals_of_claim_ids(session, practice.id, ["same"]).total_due == 100
        assert find(session, practice.id, "same").insurance_due == 100
        with pytest.raises(NotFound, match=r"There is no claim other in this practice\."):
            find(session, practice.id, "other")


def test_a_selection_is_totaled_from_its_claim_numbers(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 20))
    practice.claim("2", Line(-50, 0))
    practice.claim("3", Line(999, 999))
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        chosen = feed.totals_of_claim_ids(session, practice.id, ["1", "2", "gone"])
        all_but_one = feed.totals(session, practice.id, ClaimFilter(), terms, excluded=["3"])
        none = feed.totals_of_claim_ids(session, practice.id, [])

    assert (chosen.claims, chosen.insurance_due, chosen.patient_due) == (2, 50, 20)
    assert all_but_one == chosen
    assert (none.claims, none.total_due) == (0, 0)


def test_counts_by_status_ignore_the_status_filter(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 0))
    practice.claim("2", Line(100, 0), billing_status="Our Own Status")
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        f = ClaimFilter.of({"billing_status": "Balance Due"})
        assert feed.counts_by_billing_status(session, practice.id, f, terms) == {"Balance Due": 1, "Our Own Status": 1}


def test_claims_are_found_by_what_payers_answered_and_by_how_long_they_wait(practice: GivenPractice) -> None:
    sent = {"primary_status": ClaimStatus.AT_PAYER, "last_edi_on": TODAY - dt.timedelta(days=40)}
    for number in ("answered", "held", "waits"):
        practice.claim(number, Line(100_00), service_date=SERVICE_ON, **sent)
    practice.claim("waits-less", Line(100_00), **{**sent, "last_edi_on": TODAY - dt.timedelta(days=5)})
    practice.claim("rejected", Line(100_00), **{**sent, "primary_status": ClaimStatus.REJECTED})
    wrong = clp("held", "100", "70", svc("100", "70", "CO*45*20"), icn="ICN2")
    take_transactions(practice, st(clp("answered", "100", "0", svc("100", "0", "CO*197*100")), wrong, paid="70"))

    assert found(practice, no_answer_min_days=30) == ["waits"]
    assert found(practice, no_answer_min_days=5) == ["waits", "waits-less"]
    assert found(practice, payer_claim_number="ICN2") == ["held"]
    assert found(practice, payer_claim_number="ICN1", last_answer_status="1") == ["answered"]
    assert found(practice, last_answer_from="2026-01-05", last_answer_to="2026-01-05") == ["answered"]
    assert found(practice, last_answer_to="2026-01-04") == []
    assert found(practice, denial_group="CO", denial_carc="197") == ["answered"]

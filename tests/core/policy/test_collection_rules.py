"""Claims that can still be collected: rejected, never submitted, denied and appealable, or billed too rarely."""

import datetime as dt
from typing import Any

import pytest

from core.access.permissions import Actor
from core.claims import feed
from core.claims.filters import ClaimFilter
from core.errors import NotAllowed
from core.jobs import codes
from core.jobs.results import certificates, files
from core.models.claims import NOT_SUBMITTED, ClaimStatus
from core.models.job_items import Outcome, Verdict
from core.models.ledger import GroupCode
from core.models.practices import WriteOffSetting
from core.policy.rules import OVERRIDABLE_CODES, RULES_BY_CODE
from core.practices import limits
from tests.core.schedules.conftest import FIRST_RUN, ScheduledPractice, scheduled  # noqa: F401  a fixture
from tests.factories import NOW, TODAY, GivenPractice, Line

INSURANCE, PATIENT = Line(100_00, 0), Line(0, 100_00)
DENIED = {"primary_status": ClaimStatus.ERA_DENIED, "denial_group": GroupCode.CONTRACTUAL, "denial_carc": "197"}
NEVER_SENT = {"billing_status": NOT_SUBMITTED, "primary_status": ClaimStatus.NONE}
ON = {"appeal_window_days": 90, "statements_min": 3, "statement_days": 30}
STATED = {"statements_sent": 3, "last_statement_on": TODAY - dt.timedelta(days=30)}


def days_ago(days: int) -> dt.date:
    return TODAY - dt.timedelta(days=days)


# A claim that each rule skips.
SKIPPED: list[tuple[str, Line, dict[str, Any]]] = [
    ("rejected", INSURANCE, {"primary_status": ClaimStatus.REJECTED}),
    ("not_submitted", INSURANCE, NEVER_SENT),
    ("not_submitted", INSURANCE, {**NEVER_SENT, "billing_status": "NOT submitted"}),
    ("not_submitted", INSURANCE, {**NEVER_SENT, "billing_status": "Unbilled"}),
    ("in_appeal_window", INSURANCE, {**DENIED, "denied_on": days_ago(90)}),
    ("in_appeal_window", INSURANCE, {"primary_status": ClaimStatus.ERA_RECEIVED, "denied_on": TODAY}),
    ("too_few_statements", PATIENT, {**STATED, "statements_sent": 2}),
    ("too_few_statements", PATIENT, {}),
    ("recent_statement", PATIENT, {**STATED, "last_statement_on": days_ago(29)}),
    ("recent_statement", PATIENT, {**STATED, "last_statement_on": TODAY}),
]
# A claim that is just beyond a rule, or that the rule is not about.
SETTLED: list[tuple[str, Line, dict[str, Any]]] = [
    ("rejected", PATIENT, {**STATED, "primary_status": ClaimStatus.REJECTED}),
    ("not_submitted", INSURANCE, {**NEVER_SENT, "first_edi_on": days_ago(200)}),
    ("not_submitted", INSURANCE, {**NEVER_SENT, "last_edi_on": days_ago(200)}),
    ("not_submitted", INSURANCE, {**NEVER_SENT, "primary_status": ClaimStatus.ERA_RECEIVED}),
    ("not_submitted", PATIENT, {**STATED, **NEVER_SENT}),
    ("in_appeal_window", INSURANCE, {**DENIED, "denied_on": days_ago(91)}),
    ("in_appeal_window", INSURANCE, DENIED),
    ("in_appeal_window", PATIENT, {**STATED, **DENIED, "denied_on": TODAY}),
    ("too_few_statements", PATIENT, STATED),
    ("too_few_statements", INSURANCE, {"statements_sent": 0}),
    ("recent_statement", PATIENT, {**STATED, "last_statement_on": None}),
    ("recent_statement", INSURANCE, {"last_statement_on": TODAY}),
]


@pytest.fixture
def practice(practice: GivenPractice, admin: Actor) -> GivenPractice:
    """A practice with all of these rules turned on."""
    practice.do(limits.set_rule_limits, ON, by=admin, now=NOW)
    return practice


@pytest.mark.parametrize(("code", "line", "columns"), SKIPPED)
def test_a_claim_that_can_still_be_collected_is_skipped(
    practice: GivenPractice, code: str, line: Line, columns: dict[str, Any]
) -> None:
    practice.claim("1", line, **columns)

    job = practice.settle()

    item = practice.item(job, "1")
    assert (item.verdict, item.verdict_code, item.outcome, item.code) == (Verdict.SKIP, code, Outcome.SKIPPED, code)
    assert practice.write_offs("1") == []
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        page = feed.page(
            session, practice.id, ClaimFilter.of({"eligibility": code}), cursor=None, limit=10, terms=terms
        )
        text = "".join(files.csv_file(session, job, files.File.NOT_SETTLED, now=NOW))
        assert certificates.for_job(session, job).by_code == {code: 1}
    assert [row.eligibility for row in page.rows] == [code]
    assert codes.describe(code) in text


@pytest.mark.parametrize(("code", "line", "columns"), SETTLED)
def test_a_claim_beyond_the_rule_settles(
    practice: GivenPractice, code: str, line: Line, columns: dict[str, Any]
) -> None:
    practice.claim("1", line, **columns)

    assert practice.item(practice.settle(), "1").outcome is Outcome.SETTLED, code


@pytest.mark.parametrize(("code", "line", "columns"), SKIPPED)
def test_an_administrator_overrides_the_rule_and_a_biller_cannot(
    practice: GivenPractice, admin: Actor, code: str, line: Line, columns: dict[str, Any]
) -> None:
    assert code in OVERRIDABLE_CODES
    practice.claim("1", line, **columns)

    with pytest.raises(NotAllowed):
        practice.preview(include=[code])
    job = practice.preview(include=[code, "recent_statement"], by=admin, key="admin's")
    practice.confirm(job, by=admin)
    practice.run()

    assert practice.item(job, "1").outcome is Outcome.SETTLED
    assert practice.item(job, "1").verdict_code == code


@pytest.mark.parametrize("code", ["rejected", "not_submitted", "in_appeal_window"])
def test_the_rules_about_insurance_do_not_matter_when_only_patient_balances_are_written_off(
    practice: GivenPractice, code: str
) -> None:
    columns = next(columns for name, _, columns in SKIPPED if name == code)
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.claim("1", Line(100_00, 100_00), **{**STATED, **columns})

    assert practice.item(practice.preview(), "1").verdict is Verdict.SETTLE


@pytest.mark.parametrize("code", ["too_few_statements", "recent_statement"])
def test_the_rules_about_statements_do_not_matter_when_only_insurance_balances_are_written_off(
    practice: GivenPractice, code: str
) -> None:
    columns = next(columns for name, _, columns in SKIPPED if name == code)
    practice.set_write_off(WriteOffSetting.INSURANCE)
    practice.claim("1", Line(100_00, 100_00), **columns)

    assert practice.item(practice.preview(), "1").verdict is Verdict.SETTLE


@pytest.mark.parametrize("code", ["in_appeal_window", "too_few_statements", "recent_statement"])
def test_zero_turns_a_rule_off(practice: GivenPractice, admin: Actor, code: str) -> None:
    _, line, columns = next(row for row in SKIPPED if row[0] == code)
    practice.claim("1", line, **columns)

    practice.do(limits.set_rule_limits, dict.fromkeys(ON, 0), by=admin, now=NOW)

    assert practice.item(practice.preview(), "1").verdict is Verdict.SETTLE


def test_the_preview_freezes_the_numbers_and_the_run_keeps_them(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", INSURANCE, **{**DENIED, "denied_on": days_ago(100)})
    job = practice.preview()

    practice.do(limits.set_rule_limits, {"appeal_window_days": 120}, by=admin, now=NOW)
    practice.confirm(job)
    practice.run()

    assert practice.item(job, "1").outcome is Outcome.SETTLED


def test_a_skip_shows_the_denial_and_the_window(practice: GivenPractice) -> None:
    practice.claim("1", INSURANCE, **{**DENIED, "denied_on": TODAY})

    shown = dict(codes.rule_values(practice.item(practice.preview(), "1").why))

    assert shown == {
        "denied on": f"{TODAY:%m/%d/%Y}", "appeal window in days": "90", "insurance balance": "$100.00",
        "denial group": "CO", "denial CARC": "197",
    }  # fmt: skip


def test_a_scheduled_run_skips_claims_that_can_still_be_collected(scheduled: ScheduledPractice) -> None:  # noqa: F811
    practice = scheduled.practice
    practice.do(limits.set_rule_limits, ON, by=scheduled.owner, now=NOW)
    expected = {code: (line, columns) for code, line, columns in SKIPPED}
    for code, (line, columns) in expected.items():
        practice.claim(code, line, **columns)
    scheduled.schedule()

    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    job = scheduled.job_key()
    assert {code: practice.item(job, code).verdict_code for code in expected} == {code: code for code in expected}


@pytest.mark.parametrize(
    ("numbers", "act"),
    [
        ({"appeal_window_days": 60}, "appeal_window.changed"),
        ({"statements_min": 1, "statement_days": 7}, "statement_rules.changed"),
    ],
)
def test_a_change_of_the_numbers_is_audited_with_old_and_new(
    practice: GivenPractice, admin: Actor, numbers: dict[str, int], act: str
) -> None:
    practice.do(limits.set_rule_limits, numbers, by=admin, now=NOW)

    changed = practice.audited(act)[-1].facts
    assert changed == {name: {"from": ON[name], "to": number} for name, number in numbers.items()}


@pytest.mark.parametrize(
    ("column", "most"), [("appeal_window_days", 730), ("statements_min", 12), ("statement_days", 365)]
)
def test_a_number_out_of_bounds_is_refused(practice: GivenPractice, admin: Actor, column: str, most: int) -> None:
    for number in (-1, most + 1):
        with pytest.raises(limits.BadLimit) as refused:
            practice.do(limits.set_rule_limits, {column: number}, by=admin, now=NOW)
        assert set(refused.value.facts["faults"]) == {column}
    practice.do(limits.set_rule_limits, {column: most}, by=admin, now=NOW)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"statements_sent_min": 1}, ["many"]),
        ({"statements_sent_max": 2}, ["denied", "none"]),
        ({"last_statement_before": TODAY.isoformat()}, ["denied", "many", "none"]),
        ({"last_statement_before": days_ago(30).isoformat()}, ["denied", "none"]),
        ({"denied_from": days_ago(9).isoformat(), "denied_to": days_ago(9).isoformat()}, ["denied"]),
        ({"denied_to": days_ago(10).isoformat()}, []),
        ({"denial_group": "CO", "denial_carc": "197"}, ["denied"]),
        ({"denial_carc": "29"}, []),
    ],
)
def test_the_facts_are_filters(practice: GivenPractice, given: dict[str, Any], found: list[str]) -> None:
    practice.claim("many", PATIENT, **STATED)
    practice.claim("none", PATIENT)
    practice.claim("denied", INSURANCE, **{**DENIED, "denied_on": days_ago(9)})

    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        page = feed.page(session, practice.id, ClaimFilter.of(given), cursor=None, limit=10, terms=terms)

    assert sorted(row.claim_id for row in page.rows) == found


def test_each_of_these_rules_can_be_overridden() -> None:
    assert all(RULES_BY_CODE[code].is_overridable for code, _, _ in SKIPPED)

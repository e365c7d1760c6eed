"""Claims that can still be collected: rejected, never submitted, denied and appealable, or billed too rarely."""

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from core.access.permissions import Actor
from core.claims import feed
from core.claims.claim_filter import ClaimFilter
from core.enums.claims import NOT_SUBMITTED, ClaimStatus
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import JobFile
from core.enums.ledger import GroupCode
from core.enums.practices import WriteOffSetting
from core.errors import NotAllowed
from core.jobs import codes
from core.jobs.results import certificates, files
from core.policy.overridable import OVERRIDABLE_CODES
from core.policy.rules import RULES
from core.practices import limits, practice_limit
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


def add_claims(practice: GivenPractice, cases: list[tuple[str, Line, dict[str, Any]]]) -> list[str]:
    """Add a claim for each case. Return their numbers in the order of the cases."""
    numbers = [f"{code} {index}" for index, (code, _, _) in enumerate(cases)]
    for number, (_, line, columns) in zip(numbers, cases, strict=True):
        practice.claim(number, line, **columns)
    return numbers


def test_a_claim_that_can_still_be_collected_is_skipped(practice: GivenPractice) -> None:
    numbers = add_claims(practice, SKIPPED)

    job = practice.settle()

    for number, (code, _, columns) in zip(numbers, SKIPPED, strict=True):
        item = practice.item(job, number)
        skipped = (Verdict.SKIP, code, Outcome.SKIPPED, code)
        assert (item.verdict, item.verdict_code, item.outcome, item.code) == skipped, (code, columns)
        assert practice.write_offs(number) == []
    by_code = Counter(code for code, _, _ in SKIPPED)
    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        for code, count in by_code.items():
            of_code = ClaimFilter.of({"eligibility": code})
            page = feed.page(session, practice.id, of_code, cursor=None, limit=20, terms=terms)
            assert [row.eligibility for row in page.rows] == [code] * count
        text = "".join(files.csv_file(session, job, JobFile.NOT_SETTLED, now=NOW))
        assert certificates.for_job(session, job).by_code == by_code
    rows = {line.partition(",")[0]: line for line in text.splitlines()}
    for number, (code, _, _) in zip(numbers, SKIPPED, strict=True):
        assert codes.describe(code) in rows[number]


def test_a_claim_beyond_the_rule_settles(practice: GivenPractice) -> None:
    numbers = add_claims(practice, SETTLED)

    job = practice.settle()

    assert {number: practice.item(job, number).outcome for number in numbers} == dict.fromkeys(numbers, Outcome.SETTLED)


def test_an_administrator_overrides_the_rule_and_a_biller_cannot(practice: GivenPractice, admin: Actor) -> None:
    numbers = add_claims(practice, SKIPPED)
    for code in dict.fromkeys(code for code, _, _ in SKIPPED):
        assert code in OVERRIDABLE_CODES
        own = [number for number in numbers if number.startswith(code)]
        with pytest.raises(NotAllowed):
            practice.preview({"claim_ids": own}, include=[code])
        job = practice.preview(
            {"claim_ids": own}, include=[code, "recent_statement"], by=admin, key=code, chunk_claims=100
        )
        practice.confirm(job, by=admin)
        practice.run()

        for number in own:
            item = practice.item(job, number)
            assert (item.outcome, item.verdict_code) == (Outcome.SETTLED, code), number


def claims_of_both_balances(practice: GivenPractice, *codes_: str, **columns: Any) -> None:
    """Add a claim with both balances for each of these rules."""
    for code in codes_:
        skipped = next(skipped for name, _, skipped in SKIPPED if name == code)
        practice.claim(code, Line(100_00, 100_00), **{**columns, **skipped})


def test_the_rules_about_insurance_do_not_matter_when_only_patient_balances_are_written_off(
    practice: GivenPractice,
) -> None:
    practice.set_write_off(WriteOffSetting.PATIENT)
    claims_of_both_balances(practice, "rejected", "not_submitted", "in_appeal_window", **STATED)

    assert set(practice.verdicts(practice.preview()).values()) == {None}


def test_the_rules_about_statements_do_not_matter_when_only_insurance_balances_are_written_off(
    practice: GivenPractice,
) -> None:
    practice.set_write_off(WriteOffSetting.INSURANCE)
    claims_of_both_balances(practice, "too_few_statements", "recent_statement")

    assert set(practice.verdicts(practice.preview()).values()) == {None}


def test_zero_turns_a_rule_off(practice: GivenPractice, admin: Actor) -> None:
    with_number = {"in_appeal_window", "too_few_statements", "recent_statement"}
    add_claims(practice, [case for case in SKIPPED if case[0] in with_number])

    practice.do(limits.set_rule_limits, dict.fromkeys(ON, 0), by=admin, now=NOW)

    assert set(practice.verdicts(practice.preview()).values()) == {None}


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


def test_a_change_of_the_numbers_is_audited_with_old_and_new(practice: GivenPractice, admin: Actor) -> None:
    for act, numbers in {
        "appeal_window.changed": {"appeal_window_days": 60},
        "statement_rules.changed": {"statements_min": 1, "statement_days": 7},
    }.items():
        practice.do(limits.set_rule_limits, numbers, by=admin, now=NOW)

        changed = practice.audited(act)[-1].facts
        assert changed == {name: {"from": ON[name], "to": number} for name, number in numbers.items()}


def test_a_number_out_of_bounds_is_refused(practice: GivenPractice, admin: Actor) -> None:
    for column, most in {"appeal_window_days": 730, "statements_min": 12, "statement_days": 365}.items():
        for number in (-1, most + 1):
            with pytest.raises(practice_limit.BadLimit) as refused:
                practice.do(limits.set_rule_limits, {column: number}, by=admin, now=NOW)
            assert set(refused.value.facts["faults"]) == {column}
        practice.do(limits.set_rule_limits, {column: most}, by=admin, now=NOW)


def test_the_facts_are_filters(practice: GivenPractice) -> None:
    practice.claim("many", PATIENT, **STATED)
    practice.claim("none", PATIENT)
    practice.claim("denied", INSURANCE, **{**DENIED, "denied_on": days_ago(9)})
    filters: list[tuple[dict[str, Any], list[str]]] = [
        ({"statements_sent_min": 1}, ["many"]),
        ({"statements_sent_max": 2}, ["denied", "none"]),
        ({"last_statement_before": TODAY.isoformat()}, ["denied", "many", "none"]),
        ({"last_statement_before": days_ago(30).isoformat()}, ["denied", "none"]),
        ({"denied_from": days_ago(9).isoformat(), "denied_to": days_ago(9).isoformat()}, ["denied"]),
        ({"denied_to": days_ago(10).isoformat()}, []),
        ({"denial_group": "CO", "denial_carc": "197"}, ["denied"]),
        ({"denial_carc": "29"}, []),
    ]

    for given, found in filters:
        with practice.sessions() as session:
            terms = feed.terms_for(session, practice.id, now=NOW)
            page = feed.page(session, practice.id, ClaimFilter.of(given), cursor=None, limit=10, terms=terms)
        assert sorted(row.claim_id for row in page.rows) == found, given


def test_each_of_these_rules_can_be_overridden() -> None:
    assert all(code in OVERRIDABLE_CODES for code, _, _ in SKIPPED)
    assert [rule.code for rule in RULES if rule.code in OVERRIDABLE_CODES] == list(OVERRIDABLE_CODES)

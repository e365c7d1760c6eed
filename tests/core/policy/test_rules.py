"""Each rule on a claim that it applies to, at preview and at run."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.sql.util import find_tables

from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.enums.claims import ClaimStatus, Hold
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import JobKind
from core.enums.ledger import WriteOffReason
from core.enums.people import Role
from core.enums.practices import PayerClass, WriteOffSetting
from core.errors import NotAllowed
from core.jobs import codes
from core.jobs.preview import preview_items
from core.jobs.preview.job_request import BadRequest
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.practices import Practice
from core.policy.facts import claims_with_payers, facts_for_claim
from core.policy.rule import Moment, RuleAction
from core.policy.rule_scope import RULES_OF_BALANCE
from core.policy.rule_sql import first_match, rule_values
from core.policy.rules import RULES, RULES_BY_CODE, rules_at
from core.policy.terms import Terms
from core.practices import exclusions
from tests.factories import NOW, TODAY, GivenPractice, Line, a_practice
from tests.remittances import SERVICE_ON, clp, st, svc, take_transactions

SKIPPED: list[tuple[str, tuple[Line, ...], dict[str, Any]]] = [
    ("already_settled", (Line(),), {"billing_status": "Settled"}),
    ("on_hold", (Line(100, 100),), {"hold": Hold.HOLD}),
    ("on_hold", (Line(100, 100),), {"hold": Hold.LEGAL}),
    ("on_hold", (Line(100, 100),), {"hold": Hold.APPEAL}),
    ("on_hold", (Line(100, 100),), {"hold": Hold.PAYMENT_PLAN}),
    ("on_hold", (Line(100, 100),), {"hold": Hold.EXCLUDED}),
    ("on_hold", (Line(100, 100),), {"hold": Hold.HOLD, "hold_until": TODAY}),
    ("future_service", (Line(100, 100),), {"service_date": TODAY + dt.timedelta(days=1)}),
    ("credit_insurance", (Line(-1, 4387),), {}),
    ("credit_patient", (Line(500, -1),), {}),
    ("credit_line", (Line(500, 0), Line(-100, 0)), {}),
    ("credit_line", (Line(0, 500), Line(0, -500)), {}),
    ("in_process", (Line(100, 0),), {"primary_status": ClaimStatus.AT_CLEARINGHOUSE}),
    ("in_process", (Line(100, 0),), {"primary_status": ClaimStatus.AT_PAYER}),
    ("in_process", (Line(100, 0),), {"primary_status": ClaimStatus.ACKNOWLEDGED}),
    ("balance_mismatch", (Line(100, 0),), {"balance_mismatch": True}),
]
COST_SHARE = (PayerClass.MEDICARE, PayerClass.MEDICAID, PayerClass.DUAL)


def test_every_rule_of_one_balance_is_listed_under_it() -> None:
    for side, listed in RULES_OF_BALANCE.items():
        assert listed == {
            rule.code
            for rule in RULES
            if rule.action is RuleAction.SKIP and f"settles_{side}" in rule.when.__code__.co_names
        }


def test_a_rule_that_matches_skips_the_claim(practice: GivenPractice) -> None:
    cases = {str(number): case for number, case in enumerate(SKIPPED)}
    for number, (_, lines, columns) in cases.items():
        practice.claim(number, *lines, **columns)

    job = practice.settle()

    for number, (code, _, columns) in cases.items():
        item = practice.item(job, number)
        skipped = (Verdict.SKIP, code, Outcome.SKIPPED, code)
        assert (item.verdict, item.verdict_code, item.outcome, item.code) == skipped, (code, columns)
        assert practice.write_offs(number) == []
        assert practice.read(number).version == 1


def test_a_held_answer_skips_its_claim_until_it_is_posted_or_ignored(practice: GivenPractice, admin: Actor) -> None:
    for number in ("1", "2", "3"):
        practice.claim(number, Line(10_000), service_date=SERVICE_ON, primary_status=ClaimStatus.AT_PAYER)
    practice.claim("nothing due", Line(), service_date=SERVICE_ON)
    wrong = [
        clp(number, "100", "70", svc("100", "70", "CO*45*20"), icn=number) for number in ("1", "2", "3", "nothing due")
    ]
    take_transactions(practice, st(*wrong, paid="280"))
    practice.sql("UPDATE remittance_claim SET outcome = 'ignored' WHERE claim_number = '3'")

    job = practice.preview()

    verdicts = {number: practice.item(job, number).verdict_code for number in ("1", "2", "3", "nothing due")}
    assert verdicts == {"1": "held_answer", "2": "held_answer", "3": "in_process", "nothing due": "nothing_due"}
    assert codes.rule_values(practice.item(job, "1").why) == [("held in remittance", "1")]
    with pytest.raises(NotAllowed):
        practice.preview({"claim_ids": ["1"]}, include=["held_answer"], key="biller's")
    both = ["held_answer", "in_process"]
    overridden = practice.preview({"claim_ids": ["1"]}, include=both, by=admin, key="admin's")
    assert practice.item(overridden, "1").verdict is Verdict.SETTLE


def test_a_claim_that_no_rule_matches_settles_to_zero(practice: GivenPractice) -> None:
    practice.claim("1", Line(1250, 310), Line(0, 99))

    job = practice.settle()

    claim = practice.read("1")
    assert practice.item(job, "1").outcome is Outcome.SETTLED
    assert (claim.billing_status, claim.insurance_due, claim.patient_due, claim.version) == ("Settled", 0, 0, 2)
    assert practice.write_offs("1") == [(1, "insurance", -1250), (1, "patient", -310), (2, "patient", -99)]


def test_a_hold_past_its_last_day_does_not_skip_the_claim(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 100), hold=Hold.LEGAL, hold_until=TODAY - dt.timedelta(days=1))

    assert practice.item(practice.settle(), "1").outcome is Outcome.SETTLED
    assert practice.read("1").hold is Hold.LEGAL, "an expired hold needs no release"


@pytest.mark.parametrize("whom", [{"patient": "1"}, {"payer": "1"}])
def test_an_exclusion_skips_the_claim_at_preview_until_it_expires(
    practice: GivenPractice, whom: dict[str, str]
) -> None:
    practice.claim("1", Line(100, 100))
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    with transaction(practice.sessions) as session:
        exclusions.exclude(session, **whom, reason="x", until=TODAY, by=admin, now=NOW)  # type: ignore[arg-type]

    assert practice.item(practice.preview(), "1").verdict_code == "on_hold"
    tomorrow = practice.preview(key="tomorrow", now=NOW + dt.timedelta(days=1))
    assert practice.item(tomorrow, "1").verdict is Verdict.SETTLE


def test_a_schedule_skips_claims_that_another_unfinished_job_has_reserved(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 100))
    practice.claim("2", Line(100, 100))
    open_job = practice.confirmed({"claim_ids": ["1"]})
    with practice.sessions() as session:
        terms = Terms(WriteOffSetting.BOTH, TODAY)
        seen = preview_items.exclude_claims_in_open_jobs(facts_for_claim(terms), practice.id)
        rules = rules_at(Moment.PREVIEW, kind=JobKind.SETTLE)
        verdicts = select(Claim.external_id, first_match(seen, rules), rule_values(seen, rules)).select_from(
            claims_with_payers()
        )
        assert {number: (code, values) for number, code, values in session.execute(verdicts)} == {
            "1": ("in_other_job", {"other_job": open_job.job_id}), "2": (None, None),
        }  # fmt: skip


def test_an_unanswered_secondary_keeps_the_insurance_balance_from_being_written_off(practice: GivenPractice) -> None:
    second = practice.ids["Payer"]
    for number, status in enumerate(ClaimStatus):
        practice.claim(str(number), Line(100, 0), secondary_payer_id=second, secondary_status=status)

    job = practice.preview()

    codes = {status: practice.item(job, str(number)).verdict_code for number, status in enumerate(ClaimStatus)}
    with_payer = {ClaimStatus.AT_CLEARINGHOUSE, ClaimStatus.AT_PAYER, ClaimStatus.ACKNOWLEDGED}
    answered = {ClaimStatus.ERA_RECEIVED, ClaimStatus.ERA_DENIED}
    for status, code in codes.items():
        expected = "in_process" if status in with_payer else None if status in answered else "secondary_pending"
        expected = "rejected" if status is ClaimStatus.REJECTED else expected
        assert code == expected, status


def test_the_status_of_an_absent_secondary_payer_is_ignored(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 0), secondary_payer_id=None, secondary_status=ClaimStatus.AT_PAYER)

    assert practice.item(practice.preview(), "1").verdict is Verdict.SETTLE


@pytest.mark.parametrize("code", ["in_process", "secondary_pending"])
def test_pending_insurance_does_not_matter_when_only_patient_balances_are_written_off(
    sessions: Sessions, code: str
) -> None:
    practice = a_practice(sessions, write_off=WriteOffSetting.PATIENT)
    status = {"primary_status": ClaimStatus.AT_PAYER}
    if code == "secondary_pending":
        status = {"secondary_payer_id": practice.ids["Payer"], "secondary_status": ClaimStatus.NONE}
    practice.claim("1", Line(100, 40), **status)

    practice.settle()

    claim = practice.read("1")
    assert (claim.billing_status, claim.insurance_due, claim.patient_due) == ("Settled", 100, 0)


def test_a_recent_payment_skips_the_claim_only_within_the_configured_window(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 100))
    practice.pay("1", 40)  # 190 days ago
    assert practice.item(practice.preview(key="off"), "1").verdict is Verdict.SETTLE

    with transaction(practice.sessions) as session:
        session.get_one(Practice, practice.id).recent_payment_days = 190
    assert practice.item(practice.preview(key="on"), "1").verdict_code == "recent_payment"

    with transaction(practice.sessions) as session:
        session.get_one(Practice, practice.id).recent_payment_days = 189
    assert practice.item(practice.preview(key="shorter"), "1").verdict is Verdict.SETTLE


def test_medicare_and_medicaid_patients_are_written_off_only_as_charity_small_balance_or_bad_debt_after_3_statements(
    practice: GivenPractice,
) -> None:
    cases = {f"{of} {sent}": (of, sent) for of in PayerClass for sent in (None, 2, 3)}
    payers = {of: practice.payer(of.value, of) for of in PayerClass}
    for number, (of, sent) in cases.items():
        practice.claim(number, Line(0, 100), primary_payer_id=payers[of], statements_sent=sent)
    skipped = {"administrative": {None, 2, 3}, "bad_debt": {None, 2}}

    for reason in ("small_balance", "charity", "administrative", "bad_debt"):
        job = practice.preview(reason=reason, key=reason)

        expected = {
            number: "medicare_cost_share" if of in COST_SHARE and sent in skipped.get(reason, ()) else None
            for number, (of, sent) in cases.items()
        }
        assert practice.verdicts(job) == expected, reason


def test_the_setting_neither_changes_the_status_and_posts_nothing(sessions: Sessions) -> None:
    practice = a_practice(sessions, write_off=WriteOffSetting.NEITHER)
    practice.claim("1", Line(100, 40))

    job = practice.settle()

    claim, item = practice.read("1"), practice.item(job, "1")
    assert (claim.billing_status, claim.insurance_due, claim.patient_due) == ("Settled", 100, 40)
    assert (item.outcome, item.code) == (Outcome.SETTLED, "write_off_off")
    assert practice.write_offs("1") == []


def test_a_claim_with_a_zero_balance_changes_only_its_status(practice: GivenPractice) -> None:
    practice.claim("no lines")
    practice.claim("nothing due", Line())

    job = practice.settle()

    assert {practice.item(job, number).code for number in ("no lines", "nothing due")} == {"nothing_due"}
    assert practice.counts(job) == {"settled": 2, "skipped": 0, "failed": 0, "remaining": 0}
    assert practice.read("no lines").billing_status == "Settled"


def test_each_provider_is_settled_by_its_own_setting_in_one_job(practice: GivenPractice) -> None:
    for setting in (*WriteOffSetting, None):
        provider = practice.provider(f"own {setting}", write_off=setting)
        practice.claim(f"{setting}", Line(100, 40), billing_provider_id=provider)

    practice.settle()

    balances = {str(s): (practice.read(f"{s}").insurance_due, practice.read(f"{s}").patient_due)
            for s in (*WriteOffSetting, None)}  # fmt: skip
    assert balances == {"patient": (100, 0), "insurance": (0, 40), "both": (0, 0), "neither": (100, 40), "None": (0, 0)}


def test_the_first_rule_that_matches_wins(practice: GivenPractice) -> None:
    practice.claim("1", Line(-5, -5), hold=Hold.HOLD, primary_status=ClaimStatus.AT_PAYER)

    assert practice.item(practice.preview(), "1").verdict_code == "on_hold"


def test_a_permitted_user_can_override_a_skip_rule(practice: GivenPractice) -> None:
    practice.claim("1", Line(100, 0), primary_status=ClaimStatus.AT_PAYER)
    admin = practice.person("admin@lakeside.example", role="admin")  # type: ignore[arg-type]

    with pytest.raises(NotAllowed):
        practice.preview(include=["in_process"])
    job = practice.preview(include=["in_process"], by=admin, key="admin's")

    assert practice.item(job, "1").verdict is Verdict.SETTLE


def test_a_credit_rule_cannot_be_overridden(practice: GivenPractice) -> None:
    practice.claim("1", Line(-1, 0))

    with pytest.raises(BadRequest, match="include"):
        practice.preview(include=["credit_insurance"])


def test_a_status_job_may_name_a_rule_that_only_settle_jobs_have(practice: GivenPractice) -> None:
    practice.claims(1)
    admin = practice.person("admin@lakeside.example", Role.ADMIN)

    job = practice.preview(target_status="Internal Review", reason=None, include=["in_process"], by=admin)

    assert practice.verdicts(job) == {"C00001": None}


def test_every_rule_has_its_own_code_and_sentence() -> None:
    assert len(RULES_BY_CODE) == len(RULES)
    assert len({rule.sentence for rule in RULES}) == len(RULES)


@pytest.mark.parametrize("kind", list(JobKind))
def test_a_rule_of_the_run_reads_only_the_claim_and_its_item(kind: JobKind) -> None:
    excluded = exclusions.ActiveExclusions(patient_ids=(1,), payer_ids=(2,))
    seen = facts_for_claim(
        Terms(WriteOffSetting.BOTH, TODAY, reason=WriteOffReason.COURTESY, recent_payment_days=7, excluded=excluded)
    )
    promised = {"previewed_version": JobItem.claim_version, "previewed_status": JobItem.billing_status_before}
    seen = replace(seen, values={**seen.values, **promised})

    read = [rule_values(seen, [rule]) for rule in rules_at(Moment.RUN, kind=kind)]

    tables = {table.name for expression in read for table in find_tables(expression, check_columns=True)}
    assert tables <= {"claim", "job_item"}

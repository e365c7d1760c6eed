"""What may be called a small balance: the practice's limit, for each responsibility, at every door."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from core.access.permissions import Actor
from core.claims import feed
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import JobFile, JobStatus
from core.enums.people import Role
from core.enums.practices import PayerClass, WriteOffSetting
from core.jobs import codes, commands, prepare
from core.jobs.keys import JobKey
from core.jobs.preview.job_request import BadRequest, JobRequest
from core.jobs.results import certificates, files
from core.models.practices import Practice
from core.practices import limits, practice_limit, reasons
from core.practices.create import create_practice
from tests.factories import NOW, GivenPractice, Line

LIMIT = 25_00
RULE = "over_small_balance"


@pytest.fixture
def practice(practice: GivenPractice, admin: Actor) -> GivenPractice:
    """The practice calls up to $25.00 a small balance."""
    set_limit(practice, admin, LIMIT)
    return practice


def set_limit(practice: GivenPractice, admin: Actor, cents: int) -> None:
    practice.do(limits.set_rule_limits, {"small_balance_max_cents": cents}, by=admin, now=NOW)


def test_a_new_practice_calls_up_to_25_dollars_a_small_balance(practice: GivenPractice) -> None:
    new = practice.do(create_practice, name="New", now=NOW)

    with practice.sessions() as session:
        assert session.get_one(Practice, new).small_balance_max_cents == LIMIT


def test_a_small_balance_write_off_skips_a_claim_with_an_amount_above_the_limit(practice: GivenPractice) -> None:
    cases = {
        "insurance": (Line(LIMIT, 0), None),
        "patient": (Line(0, LIMIT), None),
        "both": (Line(LIMIT, LIMIT), None),
        "more of insurance": (Line(LIMIT + 1, 0), RULE),
        "more of the patient": (Line(0, LIMIT + 1), RULE),
        "one above": (Line(1, LIMIT + 1), RULE),
    }
    for number, (line, _) in cases.items():
        practice.claim(number, line)

    job = practice.settle()

    for number, (_, code) in cases.items():
        item = practice.item(job, number)
        assert (item.verdict_code, item.code) == (code, code), number
        assert (item.outcome is Outcome.SETTLED) == (code is None), number
        assert (practice.write_offs(number) == []) == (code is not None), number


def test_the_lines_of_a_claim_count_together(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 13_00), Line(0, 12_01))

    assert practice.item(practice.preview(), "1").verdict_code == RULE


def test_a_balance_that_is_not_written_off_does_not_count(practice: GivenPractice) -> None:
    own = practice.provider("both", write_off=WriteOffSetting.BOTH)
    practice.set_write_off(WriteOffSetting.PATIENT)
    practice.claim("1", Line(900_00, 5_00))
    practice.claim("2", Line(900_00, 5_00), billing_provider_id=own)

    job = practice.preview()

    assert practice.item(job, "1").verdict is Verdict.SETTLE
    assert practice.item(job, "2").verdict_code == RULE


def test_the_skip_shows_the_balances_and_the_limit_in_the_preview_the_files_and_the_certificate(
    practice: GivenPractice,
) -> None:
    practice.claim("1", Line(900_00, 5_00))

    job = practice.settle()

    sentence = "Over your practice's small-balance limit. Choose a different reason"
    assert codes.describe(RULE) == sentence
    assert dict(codes.rule_values(practice.item(job, "1").why)) == {
        "insurance balance": "$900.00", "patient balance": "$5.00", "small-balance limit": "$25.00",
    }  # fmt: skip
    preview = practice.read_job(job).preview
    assert preview is not None
    assert [(group["code"], group["claims"], group["action"]) for group in preview["by_code"]] == [(RULE, 1, "skip")]
    with practice.sessions() as session:
        certificate = certificates.for_job(session, job)
        assert certificate.by_code == {RULE: 1}
        assert certificate.rule_values["small_balance_max_cents"] == LIMIT
        assert RULE in certificate.rules
        text = "".join(files.csv_file(session, job, JobFile.NOT_SETTLED, now=NOW))
    assert sentence in text
    assert "small-balance limit: $25.00" in text


def test_a_reason_of_the_practices_own_has_the_limit_if_its_kind_is_small_balance(
    practice: GivenPractice, admin: Actor
) -> None:
    practice.claim("1", Line(0, LIMIT + 1))
    tiny = practice.do(reasons.add, name="Not worth a stamp", kind="small_balance", by=admin, now=NOW)
    aged = practice.do(reasons.add, name="Too old", kind="administrative", by=admin, now=NOW)

    assert practice.item(practice.preview(reason=tiny.code), "1").verdict_code == RULE
    assert practice.item(practice.preview(reason=aged.code, key="other"), "1").verdict is Verdict.SETTLE


def test_no_role_can_override_the_limit_or_the_rule_on_cost_sharing(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, LIMIT + 1))

    for role, rule in product(Role, (RULE, "medicare_cost_share")):
        with pytest.raises(BadRequest, match="include"):
            practice.preview(include=[rule], by=replace(practice.biller, role=role))


def test_the_preview_freezes_the_limit(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(0, 20_00))
    practice.claim("2", Line(0, 30_00))
    job = practice.preview()

    set_limit(practice, admin, 10_00)
    practice.confirm(job)
    practice.run()

    assert practice.item(job, "1").outcome is Outcome.SETTLED
    assert practice.item(job, "2").code == RULE
    assert practice.item(practice.preview(key="later"), "2").verdict_code == RULE


def test_the_run_checks_the_frozen_limit_again(practice: GivenPractice) -> None:
    practice.claim("1", Line(10_00, 0))
    practice.claim("2", Line(9_99, 0))
    job = practice.confirmed()
    practice.sql("UPDATE settle_job SET rule_values = rule_values || '{\"small_balance_max_cents\": 999}'")

    practice.run()

    assert (practice.item(job, "1").code, practice.item(job, "2").outcome) == (RULE, Outcome.SETTLED)
    assert practice.write_offs("1") == []


def test_a_preview_of_an_earlier_version_has_no_limit(practice: GivenPractice) -> None:
    practice.claim("1", Line(900_00, 0))
    job = practice.preview(reason="administrative")
    practice.sql("UPDATE settle_job SET reason = 'small_balance', rule_values = '{\"recent_payment_days\": 0}'")

    practice.confirm(job)
    practice.run()

    assert practice.item(job, "1").outcome is Outcome.SETTLED


def test_a_preview_that_a_worker_prepares_has_the_limit_of_that_moment(
    practice: GivenPractice, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 1)
    for number in ("1", "2"):
        practice.claim(number, Line(0, 20_00))
    request = JobRequest.of({"selection": {"all": True}, "reason": "small_balance"})
    made = practice.do(commands.request_preview, request, by=practice.biller, idempotency_key="big", now=NOW)
    assert made.status is JobStatus.PREPARING
    job = JobKey(made.practice_id, made.id)

    set_limit(practice, admin, 10_00)
    practice.do(prepare.prepare, job, now=NOW)

    assert practice.item(job, "1").verdict_code == RULE


def test_the_feed_does_not_know_the_reason_and_shows_the_claim_as_one_that_can_settle(practice: GivenPractice) -> None:
    practice.claim("1", Line(900_00, 0))

    with practice.sessions() as session:
        terms = feed.terms_for(session, practice.id, now=NOW)
        found = feed.blocking_rule_values(session, practice.id, "1", terms=terms)
    assert found is None


def test_medicare_cost_sharing_is_written_off_only_as_charity_or_as_a_true_small_balance(
    practice: GivenPractice,
) -> None:
    payer = practice.payer("M", PayerClass.MEDICARE)
    for number, cents in {"at": LIMIT, "over": LIMIT + 1, "dear": 900_00, "cent": 1}.items():
        practice.claim(number, Line(0, cents), primary_payer_id=payer)

    found = {
        reason: practice.verdicts(practice.preview(reason=reason, key=reason))
        for reason in ("small_balance", "charity", "bad_debt")
    }

    assert found == {
        "small_balance": {"at": None, "over": RULE, "dear": RULE, "cent": None},
        "charity": dict.fromkeys(("at", "over", "dear", "cent")),
        "bad_debt": dict.fromkeys(("at", "over", "dear", "cent"), "medicare_cost_share"),
    }


def test_the_limit_is_an_amount_from_one_cent_to_1000_dollars(practice: GivenPractice, admin: Actor) -> None:
    for cents in (0, -1, 1_000_01, 2**63 - 1):
        with pytest.raises(practice_limit.BadLimit, match=r"small-balance limit: from \$0\.01 to \$1,000\.00"):
            set_limit(practice, admin, cents)

        assert practice.audited("small_balance_limit.changed")[-1].facts["small_balance_max_cents"]["to"] == LIMIT


def test_a_change_of_the_limit_is_audited_with_old_and_new(practice: GivenPractice, admin: Actor) -> None:
    before = len(practice.audited("small_balance_limit.changed"))
    set_limit(practice, admin, 9_99)
    set_limit(practice, admin, 9_99)

    changed = practice.audited("small_balance_limit.changed")[before:]
    facts: list[tuple[int | None, Any]] = [(entry.user_id, entry.facts) for entry in changed]
    assert facts == [(admin.user_id, {"small_balance_max_cents": {"from": LIMIT, "to": 9_99}})]

"""Medicare and Medicaid cost sharing: shown before CONFIRM, and written off only with a reason that a user gave."""

import datetime as dt

import pytest
from sqlalchemy import insert, select, text, update

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.jobs import JobStatus, NextStep
from core.enums.ledger import PostingKind, Responsibility, WriteOffReason
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.enums.schedules import ScheduleMode, ScheduleState
from core.jobs import codes, preview_again
from core.jobs.approval.decide import CostShareNotAllowed
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share
from core.jobs.preview.cost_share import CostShare, CostShareReasonMissing, CostShareReasonRepeats
from core.jobs.preview.create_preview import ScheduleTerms, request_preview
from core.jobs.preview.job_request import JobRequest
from core.jobs.results import certificates
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.schedules import Schedule
from core.money import UNLIMITED
from core.practices import reasons
from tests.factories import NOW, TODAY, GivenPractice, Line

WHY = "Hardship, verified case by case"


def medicare_claim(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 500), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))


def share(practice: GivenPractice, job: JobKey) -> CostShare | None:
    return cost_share.as_previewed(practice.read_job(job))


def add_posting(practice: GivenPractice, number: str, kind: PostingKind, cents: int, on: dt.date) -> None:
    """Add a posting on the patient's balance, on any day. Cached balances do not matter here."""
    reason = {"write_off_reason": WriteOffReason.CHARITY, "claim_version": on.toordinal()}
    with transaction(practice.sessions) as session:
        claim_id = session.scalars(select(Claim.id).where(Claim.external_id == number)).one()
        session.execute(
            insert(Posting).values(
                practice_id=practice.id, claim_id=claim_id, line=1, kind=kind, amount_cents=cents, posted_on=on,
                responsibility=Responsibility.PATIENT, created_at=NOW,
                **(reason if kind is PostingKind.WRITE_OFF else {}),
            )
        )  # fmt: skip


@pytest.mark.parametrize("payer_class", list(PayerClass))
def test_the_rule_the_warning_and_the_totals_cover_the_same_medicare_and_medicaid_patients(
    practice: GivenPractice, payer_class: PayerClass
) -> None:
    practice.claim("1", Line(0, 500), primary_payer_id=practice.payer("P", payer_class))

    job = practice.preview()

    is_cost_share = (
        practice.item(practice.preview(reason="bad_debt", key="rule"), "1").verdict_code == "medicare_cost_share"
    )
    found = share(practice, job)
    assert is_cost_share == (payer_class in (PayerClass.MEDICARE, PayerClass.MEDICAID, PayerClass.DUAL))
    assert (found is not None) == is_cost_share
    if found is None:
        assert practice.confirm(job).status is JobStatus.CONFIRMED
    else:
        assert (found.job_cents, found.became_due_cents) == (500, 500)
        assert "Medicare or Medicaid cost sharing" in found.sentence()


@pytest.mark.parametrize("note", [" Hardship", " ", ""])
@pytest.mark.parametrize("reason", ["small_balance", "charity"])
def test_neither_the_note_nor_the_write_off_reason_serves_as_the_cost_sharing_reason(
    practice: GivenPractice, note: str, reason: str
) -> None:
    medicare_claim(practice)
    job = practice.preview(note=note, reason=reason)

    with pytest.raises(CostShareReasonMissing) as missing:
        practice.confirm(job)

    assert set(missing.value.facts["faults"]) == {"cost_share_reason"}
    assert practice.read_job(job).cost_share_reason == ""


@pytest.mark.parametrize("default_reason", ["Wrong address", "small balance"])
def test_a_certificate_of_an_earlier_version_shows_no_reason_that_no_user_entered(
    practice: GivenPractice, default_reason: str
) -> None:
    medicare_claim(practice)
    job = practice.preview(note="Wrong address")
    practice.confirm(job, cost_share_reason=WHY)
    practice.run()
    as_before = text("preview #- '{cost_share,includes_medicaid}'")
    for kept, shown in [(WHY, WHY), (default_reason, "not recorded")]:
        with transaction(practice.sessions) as session:
            session.execute(update(SettleJob).values(preview=as_before, cost_share_reason=kept))
        document = practice.do(certificates.for_job, job)
        assert document.cost_share_reason == shown
        assert document.cost_share is not None
        assert "Medicaid" not in document.cost_share.sentence(), "its sums left out Medicaid alone"


def test_charity_may_be_repeated_as_the_cost_sharing_reason(practice: GivenPractice) -> None:
    medicare_claim(practice)
    job = practice.preview(reason="charity")

    practice.confirm(job, cost_share_reason="charity")

    practice.run()
    with practice.sessions() as session:
        assert certificates.for_job(session, job).cost_share_reason == "charity"


@pytest.mark.parametrize("repeated", ["Small balance", " SMALL_BALANCE ", "small-balance.", "Not worth a stamp", "…"])
def test_for_a_small_balance_the_cost_sharing_reason_must_be_in_the_users_own_words(
    practice: GivenPractice, admin: Actor, repeated: str
) -> None:
    medicare_claim(practice)
    own = practice.do(reasons.add, name="Not worth a stamp", kind="small_balance", by=admin, now=NOW)
    job = practice.preview(reason=own.code)

    with pytest.raises(CostShareReasonRepeats) as refused:
        practice.confirm(job, cost_share_reason=repeated)

    assert set(refused.value.facts["faults"]) == {"cost_share_reason"}
    assert practice.read_job(job).cost_share_reason == ""
    assert practice.confirm(job, cost_share_reason=f"{repeated}: a stamp costs more").confirmed_at is not None


def override_as_an_earlier_version(practice: GivenPractice) -> None:
    """Make every job one that overrides the rule for bad debt."""
    with transaction(practice.sessions) as session:
        overridden = {
            "reason": WriteOffReason.BAD_DEBT,
            "overridden_rules": ["medicare_cost_share"],
            "practice_reason": {},
        }
        session.execute(update(SettleJob).values(**overridden))


def test_a_job_that_an_earlier_version_let_override_the_rule_cannot_run_but_can_be_previewed_again(
    practice: GivenPractice, approver: Actor, admin: Actor
) -> None:
    medicare_claim(practice)
    practice.claim("2", Line(0, 500))
    practice.limit(job=100)
    job, waiting = practice.preview(by=admin), practice.preview(key="waiting")
    practice.confirm(waiting, cost_share_reason=WHY)
    override_as_an_earlier_version(practice)

    with pytest.raises(CostShareNotAllowed):
        practice.confirm(job, by=admin, cost_share_reason=WHY)
    with pytest.raises(CostShareNotAllowed):
        practice.approve(waiting, by=approver)

    yesterday = NOW.date() - dt.timedelta(days=1)
    again = practice.do(preview_again.preview_same_request, job, posting_date=yesterday, by=admin, now=NOW)
    key = JobKey(again.practice_id, again.id)
    assert practice.item(key, "1").verdict_code == "medicare_cost_share"
    assert practice.item(key, "2").verdict_code is None


def test_a_job_that_waits_for_approval_was_given_its_cost_sharing_reason_at_confirm(
    practice: GivenPractice, approver: Actor
) -> None:
    medicare_claim(practice)
    practice.limit(job=100)
    job = practice.preview()
    with pytest.raises(CostShareReasonMissing):
        practice.confirm(job)

    practice.confirm(job, cost_share_reason=WHY)
    practice.approve(job, by=approver)
    practice.run()

    assert practice.do(certificates.for_job, job).cost_share_reason == WHY


def test_a_second_preview_of_the_claims_asks_for_the_cost_sharing_reason_again(practice: GivenPractice) -> None:
    medicare_claim(practice)
    job = practice.preview()
    yesterday = NOW.date() - dt.timedelta(days=1)
    again = practice.act(preview_again.preview_same_request, job, posting_date=yesterday)

    with pytest.raises(CostShareReasonMissing):
        practice.confirm(JobKey(again.practice_id, again.id))


def test_a_certificate_totals_only_the_cost_sharing_actually_written_off(practice: GivenPractice) -> None:
    medicaid = practice.payer("M", PayerClass.MEDICAID)
    practice.claim("1", Line(0, 500), primary_payer_id=medicaid)
    practice.claim("2", Line(0, 300), primary_payer_id=medicaid)
    job = practice.preview()
    practice.confirm(job, cost_share_reason=WHY)
    practice.change("2")  # so that the run skips the claim

    practice.run()

    share_of_job = practice.do(certificates.for_job, job).cost_share
    assert share_of_job is not None
    assert (share_of_job.claims, share_of_job.job_cents) == (1, 500)


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501, "a\x00b"])
def test_a_job_with_cost_sharing_cannot_be_confirmed_without_a_valid_reason(
    practice: GivenPractice, reason: str
) -> None:
    medicare_claim(practice)
    job = practice.preview()

    with pytest.raises(CostShareReasonMissing):
        practice.confirm(job, cost_share_reason=reason)

    practice.run()
    assert practice.read("1").patient_due == 500
    assert practice.confirm(job, cost_share_reason=f" {WHY} ").cost_share_reason == WHY
    practice.run()
    assert practice.read("1").patient_due == 0
    document = practice.do(certificates.for_job, job)
    assert (document.cost_share_reason, document.cost_share) == (WHY, share(practice, job))
    assert practice.violations() == []


def test_the_insurance_balance_of_a_medicare_claim_is_not_cost_sharing(practice: GivenPractice) -> None:
    practice.claim("1", Line(500, 0), primary_payer_id=practice.payer("M", PayerClass.MEDICARE))

    assert share(practice, practice.preview()) is None


def test_a_skipped_claim_requires_no_cost_sharing_reason(practice: GivenPractice) -> None:
    practice.claim("1", Line(0, 500), primary_payer_id=practice.payer("M", PayerClass.MEDICARE), hold="hold")

    assert share(practice, practice.preview()) is None


def test_the_share_covers_the_last_twelve_months_and_medicare_only(practice: GivenPractice) -> None:
    medicare, a_year = practice.payer("M", PayerClass.MEDICARE), TODAY.replace(year=TODAY.year - 1)
    practice.claim("old", Line(0, 1), primary_payer_id=medicare)  # 190 days ago
    practice.claim("other", Line(0, 1))
    kinds = PostingKind
    for number in ("old", "other"):
        add_posting(practice, number, kinds.CHARGE, 1_000, a_year + dt.timedelta(days=1))
        add_posting(practice, number, kinds.CHARGE, 50_000, a_year)  # one day too early
        add_posting(practice, number, kinds.TRANSFER, 2_000, TODAY)
        add_posting(practice, number, kinds.TRANSFER, -500, TODAY)
        add_posting(practice, number, kinds.ADJUSTMENT, -501, TODAY)
        add_posting(practice, number, kinds.WRITE_OFF, -400, TODAY)
        add_posting(practice, number, kinds.WRITE_OFF, -90_000, a_year)

    found = share(practice, practice.preview())

    assert found is not None
    assert (found.since, found.until) == (a_year + dt.timedelta(days=1), TODAY)
    assert (found.claims, found.job_cents, found.written_off_cents, found.became_due_cents) == (1, 1, 400, 2_000)
    assert found.percent == 20


def test_reversed_write_offs_do_not_count_as_written_off_cost_sharing(practice: GivenPractice, approver: Actor) -> None:
    medicare = practice.payer("M", PayerClass.MEDICARE)
    practice.claim("1", Line(0, 500), primary_payer_id=medicare)
    practice.claim("2", Line(0, 300), primary_payer_id=medicare)
    first = practice.preview({"claim_ids": ["1"]})
    practice.confirm(first, cost_share_reason=WHY)
    practice.run()
    before = share(practice, practice.preview({"claim_ids": ["2"]}, key="before"))
    practice.reverse(first, by=approver)
    practice.run()
    after = share(practice, practice.preview({"claim_ids": ["2"]}, key="after"))

    assert before is not None
    assert after is not None
    assert (before.written_off_cents, before.became_due_cents, before.percent) == (500, 800, 62)
    assert (after.written_off_cents, after.percent) == (0, 0)
    assert practice.violations() == []


def make_scheduled_job(
    practice: GivenPractice, *, note: str, reason: str = "small_balance", include: list[str]
) -> SettleJob:
    admin = practice.person("scheduler@x.example", Role.ADMIN)
    with transaction(practice.sessions) as session:
        schedule = Schedule(
            practice_id=practice.id, name="Scheduled", filter={}, local_time=dt.time(2), weekdays=["mon"],
            reason=WriteOffReason(reason), note=note, claims_max=UNLIMITED, cents_max=UNLIMITED,
            mode=ScheduleMode.SETTLE, grace_minutes=60, mail_to=[], state=ScheduleState.ACTIVE,
            owner_id=admin.user_id, active_since=NOW, created_at=NOW, created_by=admin.user_id, changed_at=NOW,
            changed_by=admin.user_id,
        )  # fmt: skip
        session.add(schedule)
        session.flush()
        asked = JobRequest.of({"selection": {"all": True}, "reason": reason, "note": note})
        request = asked.model_copy(update={"include": tuple(include)})  # an earlier version accepted more rules
        terms = ScheduleTerms(
            schedule.id, schedule.created_by, schedule.owner_id, None, NextStep.CONFIRM, UNLIMITED, UNLIMITED
        )
        return request_preview(session, request, by=admin, idempotency_key="scheduled", now=NOW, schedule_terms=terms)


def test_a_schedule_uses_its_note_as_the_cost_sharing_reason(practice: GivenPractice) -> None:
    medicare_claim(practice)

    job = make_scheduled_job(practice, note="Small balances cost more to collect", include=[])

    assert (job.status, job.cost_share_reason) == (JobStatus.CONFIRMED, "Small balances cost more to collect")


@pytest.mark.parametrize(
    ("note", "reason", "include"),
    [
        ("", "small_balance", []),
        ("Small balance", "small_balance", []),
        ("A note", "bad_debt", ["medicare_cost_share"]),
    ],
)
def test_a_schedule_without_a_note_or_with_another_reason_waives_no_cost_sharing(
    practice: GivenPractice, note: str, reason: str, include: list[str]
) -> None:
    medicare_claim(practice)
    practice.claim("2", Line(0, 500))

    job = make_scheduled_job(practice, note=note, reason=reason, include=include)

    key = JobKey(job.practice_id, job.id)
    skipped = practice.item(key, "1")
    by_reason = reason == "bad_debt"
    assert skipped.verdict_code == ("medicare_cost_share" if by_reason else "cost_share_note")
    assert ("schedule" in codes.describe(skipped.verdict_code)) is not by_reason
    shown = {"": "none", "Small balance": "only repeats the reason"}.get(note)
    assert dict(codes.rule_values(skipped.why)).get("schedule note") == shown
    assert practice.item(key, "2").verdict_code is None
    assert job.cost_share_reason == ""


def test_a_preview_made_before_this_rule_needs_no_reason(practice: GivenPractice) -> None:
    medicare_claim(practice)
    job = practice.preview()
    with transaction(practice.sessions) as session:
        session.execute(update(SettleJob).values(preview=text("preview - 'cost_share'")))

    assert practice.confirm(job).status is JobStatus.CONFIRMED

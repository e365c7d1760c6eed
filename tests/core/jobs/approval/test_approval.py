"""Approval of jobs over a limit: by another user who still has the role, once, within 7 days."""

import datetime as dt
import itertools

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError

from core.access import user_management
from core.access.approvers import AlreadyDecided, ReasonMissing
from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.jobs import JobStatus
from core.enums.ledger import PostingKind
from core.enums.people import Role
from core.errors import NotAllowed, NotFound, Refusal
from core.jobs import commands, requesters
from core.jobs.approval import decide, inbox
from core.jobs.approval.decide import ApprovalExpired
from core.jobs.commands import ConfirmationMismatch, PreviewExpired, WrongStatus
from core.jobs.execution import sweep
from core.jobs.keys import JobKey
from core.jobs.requesters import OwnJob
from core.jobs.results import certificates
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.people import User
from tests.at_once import outcomes_at_once
from tests.factories import NOW, GivenPractice, a_practice

S = JobStatus
LATER = NOW + dt.timedelta(hours=5)
_keys = itertools.count(1)


@pytest.fixture
def job(practice: GivenPractice) -> JobKey:
    """A job of two claims that the biller confirmed and that exceeds the practice's limit."""
    practice.claims(2)
    practice.limit(job=2_000)
    return practice.confirmed()


def acts(practice: GivenPractice, job: JobKey) -> list[tuple[str, int | None]]:
    return [(entry.act, entry.user_id) for entry in practice.audited(subject=f"job:{job.job_id}")]


def change(practice: GivenPractice, changed_user: Actor, **columns: object) -> None:
    with transaction(practice.sessions) as session:
        session.execute(update(User).where(User.id == changed_user.user_id).values(**columns))


# Approve


def test_a_job_over_a_limit_posts_nothing_until_another_user_approves(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    practice.run()
    assert (practice.progress(job).status, practice.write_offs("C00001")) == (S.AWAITING_APPROVAL, [])

    practice.approve(job, by=approver, now=LATER)
    practice.run(now=LATER)

    done = practice.read_job(job)
    assert done.status is S.COMPLETED
    assert (done.requested_by, done.confirmed_by, done.decided_by) == (
        practice.biller.user_id, practice.biller.user_id, approver.user_id
    )  # fmt: skip
    assert (done.confirmed_at, done.decided_at) == (LATER, LATER)
    assert practice.write_offs("C00001") == [(1, "insurance", -1_000), (1, "patient", -500)]
    assert practice.violations() == []


def test_write_offs_carry_the_confirmer_and_the_audit_and_certificate_name_both_users(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    practice.approve(job, by=approver)
    practice.run()

    with practice.sessions() as session:
        posted_by = set(session.scalars(select(Posting.user_id).where(Posting.kind == PostingKind.WRITE_OFF)))
        document = certificates.for_job(session, job)
    assert posted_by == {practice.biller.user_id}
    assert (document.confirmed_by, document.approved_by, document.approved_at) == ("biller", "approver", NOW)
    assert document.over[0].sentence == ("Over the practice's per-job limit: $30.00 (limit $20.00, over by $10.00)")
    assert [act for act in acts(practice, job) if act[0] in ("job.approval_asked", "job.approved")] == [
        ("job.approval_asked", practice.biller.user_id),
        ("job.approved", approver.user_id),
    ]


@pytest.mark.parametrize("word", ["", "confirm", "CONFIRM ", "APPROVE"])
def test_an_approval_requires_the_word_confirm(
    practice: GivenPractice, job: JobKey, approver: Actor, word: str
) -> None:
    with pytest.raises(ConfirmationMismatch), transaction(practice.sessions) as session:
        commands.approve(session, job, confirmation=word, by=approver, now=NOW)
    assert practice.progress(job).status is S.AWAITING_APPROVAL


def test_a_requester_cannot_approve_or_reject_their_own_job(practice: GivenPractice, admin: Actor) -> None:
    practice.claims(4)
    practice.limit(job=1)
    own = practice.preview({"claim_ids": ["C00001"]}, by=admin, key="own")
    practice.confirm(own, by=admin)
    confirmed = practice.preview({"claim_ids": ["C00002"]}, key="confirmed for another")
    practice.confirm(confirmed, by=admin)
    requested = practice.preview({"claim_ids": ["C00003"]}, by=admin, key="confirmed by another")
    practice.confirm(requested)

    for job in (own, confirmed, requested):
        with pytest.raises(OwnJob):
            practice.approve(job, by=admin)
        with pytest.raises(OwnJob):
            practice.reject(job, by=admin)
        assert practice.progress(job).status is S.AWAITING_APPROVAL
        assert requesters.is_own(practice.read_job(job), admin.user_id)


def test_a_biller_cannot_approve_and_an_approver_of_another_practice_finds_no_job(
    practice: GivenPractice, job: JobKey
) -> None:
    colleague = practice.person("colleague@lakeside.example", Role.BILLER)
    with pytest.raises(NotAllowed):
        practice.approve(job, by=colleague)
    with pytest.raises(NotAllowed):
        practice.reject(job, by=colleague)
    stranger = a_practice(practice.sessions, name="Other").person("approver@other.example", Role.APPROVER)
    with pytest.raises(NotFound):
        practice.approve(job, by=stranger)
    assert practice.progress(job).status is S.AWAITING_APPROVAL


@pytest.mark.parametrize("loss", [{"active": False}, {"role": Role.BILLER}, {"role": Role.OPS}])
def test_an_approver_deactivated_or_demoted_before_the_click_decides_nothing(
    practice: GivenPractice, job: JobKey, approver: Actor, loss: dict[str, object]
) -> None:
    change(practice, approver, **loss)

    for act in (practice.approve, practice.reject):
        with pytest.raises(NotAllowed):
            act(job, by=approver)

    assert practice.progress(job).status is S.AWAITING_APPROVAL


def test_an_administrator_who_became_an_approver_can_still_approve(
    practice: GivenPractice, job: JobKey, admin: Actor
) -> None:
    change(practice, admin, role=Role.APPROVER)
    assert practice.approve(job, by=admin).status is S.CONFIRMED


def test_a_job_is_approved_and_settles_although_its_requester_was_deactivated(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    change(practice, practice.biller, active=False)
    practice.approve(job, by=approver)
    practice.run()
    assert practice.counts(job)["settled"] == 2
    assert {one.invariant for one in practice.violations()} == {"users_are_as_the_audit_says"}


def test_a_deactivated_user_cannot_confirm_a_preview(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.preview()
    change(practice, practice.biller, active=False)
    with pytest.raises(NotAllowed):
        practice.confirm(job)
    assert practice.progress(job).status is S.PREVIEWED


def test_a_limit_changed_while_a_job_waits_does_not_affect_the_job(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    before = practice.read_job(job)
    practice.limit(claim=1, job=1)
    practice.limit_of(practice.biller, claim=1, job=1)
    assert practice.read_job(job).limits_exceeded == before.limits_exceeded
    practice.limit()
    practice.limit_of(practice.biller)
    assert practice.progress(job).status is S.AWAITING_APPROVAL

    practice.approve(job, by=approver)

    assert (practice.read_job(job).limits, practice.read_job(job).limits_exceeded) == (
        before.limits,
        before.limits_exceeded,
    )


def test_a_claim_that_changed_while_the_job_waited_is_skipped(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    practice.change("C00001", hold=Hold.LEGAL)
    practice.approve(job, by=approver)
    practice.run()
    assert practice.counts(job) == {"settled": 1, "skipped": 1, "failed": 0, "remaining": 0}
    assert practice.item(job, "C00001").code == "changed_since_preview"
    assert practice.violations() == []


def test_a_job_approved_twice_by_the_same_user_runs_once(practice: GivenPractice, job: JobKey, approver: Actor) -> None:
    first = practice.approve(job, by=approver)
    again = practice.approve(job, by=approver, now=LATER)
    assert (again.id, again.decided_at) == (first.id, NOW)
    practice.run()
    assert practice.approve(job, by=approver, now=LATER).status is S.COMPLETED
    assert [act for act, _ in acts(practice, job)].count("job.approved") == 1


def test_confirming_again_returns_the_job_unchanged_before_and_after_the_approval(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    assert practice.confirm(job, now=LATER).status is S.AWAITING_APPROVAL
    practice.approve(job, by=approver)
    assert practice.confirm(job, now=LATER).status is S.CONFIRMED


# Reject


def test_a_rejection_keeps_its_reason_and_posts_nothing(practice: GivenPractice, job: JobKey, approver: Actor) -> None:
    practice.reject(job, by=approver, reason="  Call the patients first  ", now=LATER)
    practice.run()

    rejected = practice.read_job(job)
    assert (rejected.status, rejected.decision_note, rejected.decided_by) == (
        S.REJECTED, "Call the patients first", approver.user_id
    )  # fmt: skip
    assert practice.write_offs("C00001") == []
    with pytest.raises(WrongStatus):
        practice.confirm(job)
    (entry,) = practice.audited("job.rejected")
    assert "patients" not in str(entry.facts), "the audit contains no text typed by users"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\x00b"])
def test_a_rejection_without_a_valid_reason_is_refused(
    practice: GivenPractice, job: JobKey, approver: Actor, reason: str
) -> None:
    with pytest.raises(ReasonMissing):
        practice.reject(job, by=approver, reason=reason)
    assert practice.progress(job).status is S.AWAITING_APPROVAL


def test_a_second_user_cannot_decide_again(practice: GivenPractice, job: JobKey, approver: Actor, admin: Actor) -> None:
    practice.approve(job, by=approver)
    with pytest.raises(AlreadyDecided, match="Another user has already approved"):
        practice.approve(job, by=admin)
    with pytest.raises(AlreadyDecided, match="Another user has already approved"):
        practice.reject(job, by=admin)
    with pytest.raises(AlreadyDecided, match="You have already approved"):
        practice.reject(job, by=approver)
    assert practice.progress(job).status is S.CONFIRMED


def test_a_requester_can_discard_a_waiting_job(practice: GivenPractice, job: JobKey, approver: Actor) -> None:
    practice.act(commands.discard, job)
    with pytest.raises(WrongStatus, match="discarded"):
        practice.approve(job, by=approver)
    with pytest.raises(WrongStatus):
        practice.confirm(job)


def test_only_a_job_awaiting_approval_can_be_approved_or_rejected(practice: GivenPractice, approver: Actor) -> None:
    practice.claims(1)
    job = practice.preview()
    with pytest.raises(WrongStatus):
        practice.approve(job, by=approver)
    practice.confirm(job)
    for act in (practice.approve, practice.reject):
        with pytest.raises(WrongStatus):
            act(job, by=approver)
    assert practice.read_job(job).decided_by is None


# Expire


def test_an_approval_request_expires_after_seven_days_with_or_without_the_sweep(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    last = NOW + decide.APPROVAL_EXPIRES_AFTER - dt.timedelta(seconds=1)
    over = NOW + decide.APPROVAL_EXPIRES_AFTER
    with practice.sessions() as session:
        assert inbox.count_jobs_to_approve(session, approver, now=last) == 1
        assert inbox.count_jobs_to_approve(session, approver, now=over) == 0
    for act in (practice.approve, practice.reject):
        with pytest.raises(ApprovalExpired):
            act(job, by=approver, now=over)

    sweep.sweep(practice.sessions, now=last)
    assert practice.progress(job).status is S.AWAITING_APPROVAL
    sweep.sweep(practice.sessions, now=over)

    assert practice.progress(job).status is S.EXPIRED
    with pytest.raises(ApprovalExpired):
        practice.approve(job, by=approver, now=over)
    with pytest.raises(ApprovalExpired):
        practice.confirm(job, now=over)
    assert practice.violations() == []


def test_an_unconfirmed_preview_expires(practice: GivenPractice) -> None:
    practice.claims(1)
    job = practice.preview()
    sweep.sweep(practice.sessions, now=NOW + dt.timedelta(hours=2))
    with pytest.raises(PreviewExpired):
        practice.confirm(job, now=NOW + dt.timedelta(hours=2))


# Inbox and decisions


def test_the_inbox_shows_only_jobs_that_the_user_may_approve(
    practice: GivenPractice, job: JobKey, approver: Actor, admin: Actor
) -> None:
    practice.limit(job=0)
    own = practice.preview({"claim_ids": ["C00001"]}, by=admin, key="own, over", now=LATER)
    practice.confirm(own, by=admin, now=LATER)

    with practice.sessions() as session:
        ids = {
            who.role: [job.id for job in inbox.jobs_to_approve(session, who, now=LATER)]
            for who in (practice.biller, approver, admin)
        }
        assert ids == {Role.BILLER: [], Role.APPROVER: [job.job_id, own.job_id], Role.ADMIN: [job.job_id]}
        assert [inbox.count_jobs_to_approve(session, who, now=LATER) for who in (practice.biller, approver, admin)] == [
            0,
            2,
            1,
        ]
        assert [found.id for found in inbox.my_jobs_awaiting_approval(session, practice.biller)] == [job.job_id]
        may = requesters.approvers(session, session.get_one(SettleJob, own), now=NOW)
        assert [user.name for user in may] == ["approver"]


def test_the_requester_sees_a_decision_for_seven_days(practice: GivenPractice, job: JobKey, approver: Actor) -> None:
    practice.reject(job, by=approver, now=LATER)
    with practice.sessions() as session:
        for after, count in ((0, 1), (6, 1), (8, 0)):
            at = LATER + dt.timedelta(days=after)
            assert len(inbox.my_decided_jobs(session, practice.biller, now=at)) == count
        assert inbox.my_decided_jobs(session, approver, now=LATER) == []


def test_a_requester_is_notified_of_jobs_that_another_user_discarded_but_not_of_their_own(
    practice: GivenPractice, job: JobKey, admin: Actor, approver: Actor
) -> None:
    def discard(key: JobKey, by: Actor) -> None:
        practice.do(commands.discard, key, by=by, now=LATER)

    own = practice.confirmed(key="own")
    discard(own, practice.biller)
    discard(job, admin)

    (news,) = practice.do(inbox.my_decided_jobs, practice.biller, now=LATER)
    assert (news.id, news.status, news.decided_by) == (job.job_id, S.DISCARDED, admin.user_id)
    with pytest.raises(AlreadyDecided, match="Another user has already discarded this job"):
        practice.approve(job, by=approver, now=LATER)
    assert practice.violations() == []


def test_the_requester_sees_an_expired_job_for_seven_days(practice: GivenPractice, job: JobKey) -> None:
    over = NOW + decide.APPROVAL_EXPIRES_AFTER
    sweep.sweep(practice.sessions, now=over)
    with practice.sessions() as session:
        assert [found.id for found in inbox.my_decided_jobs(session, practice.biller, now=over)] == [job.job_id]
        assert inbox.my_decided_jobs(session, practice.biller, now=over + dt.timedelta(days=8)) == []


# Database constraints


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE settle_job SET decided_by = requested_by",
        "UPDATE settle_job SET decided_by = confirmed_by, requested_by = :other",
        "UPDATE settle_job SET confirmed_at = now()",
    ],
)
def test_the_database_refuses_a_self_approval_and_a_run_without_approval(
    practice: GivenPractice, job: JobKey, approver: Actor, statement: str
) -> None:
    with pytest.raises(IntegrityError), transaction(practice.sessions) as session:
        session.execute(text(statement), {"other": approver.user_id} if ":other" in statement else {})


# Races


def test_of_two_concurrent_approvers_one_decides(
    practice: GivenPractice, job: JobKey, approver: Actor, admin: Actor, rounds: int
) -> None:
    for _ in range(rounds // 2):
        job = practice.confirmed(key=f"race {next(_keys)}")
        raised = outcomes_at_once(lambda: practice.approve(job, by=approver), lambda: practice.approve(job, by=admin))  # noqa: B023
        assert sorted(type(error).__name__ for error in raised) == ["AlreadyDecided", "NoneType"]
        decided_by = practice.read_job(job).decided_by
        assert decided_by == (approver if raised[0] is None else admin).user_id
        assert [act for act, _ in acts(practice, job)].count("job.approved") == 1
    practice.run()
    assert practice.violations() == []


def test_an_approval_racing_a_rejection_ends_as_exactly_one_of_them(
    practice: GivenPractice, job: JobKey, approver: Actor, admin: Actor, rounds: int
) -> None:
    for _ in range(rounds // 2):
        job = practice.confirmed(key=f"race {next(_keys)}")
        raised = outcomes_at_once(lambda: practice.approve(job, by=approver), lambda: practice.reject(job, by=admin))  # noqa: B023
        assert sorted(type(error).__name__ for error in raised) == ["AlreadyDecided", "NoneType"]
        assert practice.progress(job).status is (S.CONFIRMED if raised[0] is None else S.REJECTED)
    practice.run()
    assert practice.violations() == []


def test_an_approval_racing_a_discard_ends_as_exactly_one_of_them(
    practice: GivenPractice, job: JobKey, approver: Actor, rounds: int
) -> None:
    def discard() -> None:
        practice.act(commands.discard, job)

    for _ in range(rounds // 2):
        job = practice.confirmed(key=f"race {next(_keys)}")
        raised = outcomes_at_once(lambda: practice.approve(job, by=approver), discard)  # noqa: B023
        assert [error for error in raised if error is not None and not isinstance(error, Refusal)] == []
        assert raised.count(None) == 1
        assert practice.progress(job).status is (S.CONFIRMED if raised[0] is None else S.DISCARDED)


def test_an_approver_deactivated_concurrently_either_approved_first_or_is_refused(
    practice: GivenPractice, job: JobKey, approver: Actor, admin: Actor, rounds: int
) -> None:
    def deactivate() -> None:
        practice.act(user_management.deactivate, approver.user_id, by=admin)

    for _ in range(rounds // 2):
        job = practice.confirmed(key=f"race {next(_keys)}")
        change(practice, approver, active=True)
        raised = outcomes_at_once(lambda: practice.approve(job, by=approver), deactivate)  # noqa: B023
        assert raised[1] is None
        assert raised[0] is None or isinstance(raised[0], NotAllowed)
        order = [
            entry.act
            for entry in practice.audited()
            if entry.act == "user.deactivated" or (entry.act, entry.subject) == ("job.approved", f"job:{job.job_id}")
        ]
        assert practice.progress(job).status is (S.CONFIRMED if raised[0] is None else S.AWAITING_APPROVAL)
        if raised[0] is None:
            assert order.index("job.approved") == len(order) - 2, "the approval came first"


def test_an_approval_racing_the_expiry_ends_as_exactly_one_of_them(
    practice: GivenPractice, job: JobKey, approver: Actor, rounds: int
) -> None:
    last = NOW + decide.APPROVAL_EXPIRES_AFTER - dt.timedelta(seconds=1)
    over = NOW + decide.APPROVAL_EXPIRES_AFTER
    for _ in range(rounds // 2):
        job = practice.confirmed(key=f"race {next(_keys)}")
        raised = outcomes_at_once(
            lambda: practice.approve(job, by=approver, now=last),  # noqa: B023
            lambda: sweep.sweep(practice.sessions, now=over),
        )
        assert raised[1] is None
        assert raised[0] is None or isinstance(raised[0], ApprovalExpired)
        assert practice.progress(job).status is (S.CONFIRMED if raised[0] is None else S.EXPIRED)


def test_a_rejected_jobs_claims_stay_readable_for_a_month(
    practice: GivenPractice, job: JobKey, approver: Actor
) -> None:
    practice.reject(job, by=approver)
    sweep.sweep(practice.sessions, now=NOW + dt.timedelta(days=29))
    with practice.sessions() as session:
        assert len(session.scalars(select(JobItem).where(*job.of(JobItem))).all()) == 2

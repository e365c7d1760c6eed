"""Over a limit, a job waits for another person, who sees the same frozen preview and types CONFIRM, or says no."""

import datetime as dt
from http import HTTPStatus
from typing import Final

from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotAllowed, Refusal
from core.jobs import lifecycle, posting_month
from core.jobs.approval import limits, requesters
from core.jobs.keys import JobKey
from core.models.jobs import JobStatus, SettleJob
from core.reading import can_keep

APPROVAL_LIFE: Final = dt.timedelta(days=7)

S = JobStatus

_DECIDED: Final = {S.CONFIRMED: "approved", S.REJECTED: "rejected", S.DISCARDED: "given up"}


class OwnJob(NotAllowed):
    """Another person must decide on this job: you asked for it yourself."""

    code = "own_job"


class AlreadyDecided(Refusal):
    """Somebody has already decided on this job."""

    code = "already_decided"


class ApprovalExpired(Refusal):
    """Nobody approved this job within 7 days; it must be previewed again."""

    code = "approval_expired"


class ReasonMissing(BadInput):
    """Say why you reject it, in at most 500 characters: the requester reads it."""

    code = "reason_missing"
    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


def go_on(session: Session, job: SettleJob, *, now: dt.datetime) -> SettleJob:
    """Let the locked, previewed job run for those who asked for it; over a limit, it waits for another person.

    Raises `PeriodClosed` and `PeriodBusy`.
    """
    # Held until the commit: two jobs of one person that come at once are added up one after the other.
    authorize.held(session, requesters.of_job(job))
    posting_month.hold(session, job, now=now)
    by = requesters.answers(job)
    job.over = [dict(one) for one in limits.over(session, job, by=by, now=now)]
    session.flush()
    key = JobKey(job.practice_id, job.id)
    if job.over:
        moved = lifecycle.move(session, key, source=S.PREVIEWED, target=S.AWAITING_APPROVAL, approval_asked_at=now)
        act, facts = "job.approval_asked", {"over": [one["code"] for one in job.over]}
    else:
        moved = lifecycle.move(session, key, source=S.PREVIEWED, target=S.CONFIRMED, confirmed_at=now)
        act, facts = "job.confirmed", {"was": [S.PREVIEWED.value]}
    assert moved, "the row is locked"
    subject, by_schedule = f"job:{job.id}", lifecycle.by_schedule(job)
    audit.record(session, act, practice_id=job.practice_id, subject=subject, by=by, now=now, **facts, **by_schedule)
    session.refresh(job)
    return job


def approve(session: Session, key: JobKey, *, confirmation: str, by: Actor, now: dt.datetime) -> SettleJob:
    """Let a job that waits run; asked again by the same person, it comes back as it is.

    Raises `ConfirmationMismatch`, `OwnJob`, `NotAllowed` (the role was lost meanwhile too), `AlreadyDecided`,
    `ApprovalExpired`, `PeriodClosed` or `WrongStatus`; then nothing happens.
    """
    job = lifecycle.locked(session, key, by, Action.APPROVE_JOB)
    if confirmation != lifecycle.CONFIRMATION:
        raise lifecycle.ConfirmationMismatch
    if _decides(session, job, by, S.CONFIRMED, now=now):
        posting_month.hold(session, job, now=now)
        decided = {"decided_by": by.user_id, "decided_at": now, "confirmed_at": now}
        lifecycle.move_locked(
            session, job, S.CONFIRMED, by=by, now=now, sources=(S.AWAITING_APPROVAL,), act="approved", **decided
        )
    return job


def reject(session: Session, key: JobKey, *, reason: str, by: Actor, now: dt.datetime) -> SettleJob:
    """Say no to a job that waits, with a reason that its requester reads. Raises as `approve`, and `ReasonMissing`."""
    job = lifecycle.locked(session, key, by, Action.APPROVE_JOB)
    reason = reason.strip()
    if not can_keep(reason):
        raise ReasonMissing
    if _decides(session, job, by, S.REJECTED, now=now):
        decided = {"decided_by": by.user_id, "decided_at": now, "decision_note": reason, "finished_at": now}
        lifecycle.move_locked(
            session, job, S.REJECTED, by=by, now=now, sources=(S.AWAITING_APPROVAL,), act="rejected", **decided
        )
    return job


def _decides(session: Session, job: SettleJob, by: Actor, target: JobStatus, *, now: dt.datetime) -> bool:
    """Tell whether `by` is to decide; False where they have decided just this before."""
    if job.decided_at is not None:
        decided = job.status if job.status in _DECIDED else S.CONFIRMED  # it has run on since
        if job.decided_by == by.user_id and decided is target:
            return False
        who = "You have" if job.decided_by == by.user_id else "Somebody else has"
        raise AlreadyDecided(f"{who} already {_DECIDED[decided]} this job.", status=job.status.value)
    if (job.status is S.EXPIRED and job.approval_asked_at) or (
        job.status is S.AWAITING_APPROVAL and is_expired(job, now=now)
    ):
        raise ApprovalExpired
    if job.status is not S.AWAITING_APPROVAL:
        raise lifecycle.refusal(job, f"be {_DECIDED[target]}")
    if by.user_id in requesters.of_job(job):
        raise OwnJob
    if by.user_id in requesters.barred(job):
        raise OwnJob("Another person must decide on this job: you made its schedule.")
    lifecycle.still_may(session, job, by, Action.APPROVE_JOB)
    return True


def expires_at(job: SettleJob) -> dt.datetime | None:
    """Until when somebody may approve it; None where nobody was asked."""
    return job.approval_asked_at + APPROVAL_LIFE if job.approval_asked_at else None


def is_expired(job: SettleJob, *, now: dt.datetime) -> bool:
    """Tell whether it has waited too long."""
    return job.approval_asked_at is not None and now - job.approval_asked_at >= APPROVAL_LIFE

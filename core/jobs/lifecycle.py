"""The statuses of a job and the moves between them: one table, and the only functions that change a status."""

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.permissions import Action, Actor
from core.enums.jobs import JobKind, JobStatus
from core.errors import BadInput, Refusal
from core.jobs import codes, job_events
from core.jobs.keys import JobKey, NoSuchJob
from core.models.jobs import SettleJob

S = JobStatus

TRANSITIONS: Final[dict[tuple[JobStatus, JobStatus], str]] = {
    (S.PREPARING, S.PREVIEWED): "its items are frozen",
    (S.PREPARING, S.DISCARDED): "discarded, or nothing was selected",
    (S.PREPARING, S.REPORTED): "its schedule only reports, or has nothing to settle",
    (S.PREVIEWED, S.CONFIRMED): "confirmed by a user, or its schedule settles",
    (S.PREVIEWED, S.AWAITING_APPROVAL): "it exceeds a limit",
    (S.PREVIEWED, S.EXPIRED): "not confirmed within an hour",
    (S.PREVIEWED, S.DISCARDED): "discarded by a user, or its schedule may no longer settle",
    (S.AWAITING_APPROVAL, S.CONFIRMED): "approved by another user",
    (S.AWAITING_APPROVAL, S.REJECTED): "rejected by another user",
    (S.AWAITING_APPROVAL, S.EXPIRED): "not approved within 7 days",
    (S.AWAITING_APPROVAL, S.DISCARDED): "discarded by a user",
    (S.CONFIRMED, S.RUNNING): "a worker took its first chunk",
    (S.CONFIRMED, S.PAUSING): "paused before a worker took a chunk",
    (S.CONFIRMED, S.CANCELLING): "canceled before a worker took a chunk",
    (S.RUNNING, S.PAUSING): "paused by a user",
    (S.RUNNING, S.CANCELLING): "canceled by a user",
    (S.RUNNING, S.HALTED): "its failure budget is exceeded, its month was closed, or it is out of balance",
    (S.RUNNING, S.COMPLETED): "no chunk is open, and it reconciles to the cent",
    (S.PAUSING, S.PAUSED): "no worker has a chunk",
    (S.PAUSING, S.COMPLETED): "no chunk was left to pause",
    (S.PAUSING, S.HALTED): "no chunk was left, and it is out of balance",
    (S.PAUSING, S.CANCELLING): "canceled by a user",
    (S.PAUSED, S.CONFIRMED): "resumed by a user",
    (S.PAUSED, S.CANCELLING): "canceled by a user",
    (S.HALTED, S.CONFIRMED): "resumed by a user",
    (S.HALTED, S.CANCELLING): "canceled by a user",
    (S.CANCELLING, S.CANCELLED): "no worker has a chunk",
    (S.CANCELLING, S.COMPLETED): "no chunk was left to cancel",
    (S.CANCELLING, S.HALTED): "no chunk was left, and it is out of balance",
    (S.COMPLETED, S.CONFIRMED): "its failed claims are retried",
}


def transition(
    session: Session,
    job: JobKey,
    *,
    source: JobStatus,
    target: JobStatus,
    now: dt.datetime,
    **values: Any,
) -> bool:
    """Move the job if it is still in `source`, and set `values`. Return whether this call moved it.

    The move's events are recorded too, so that none is forgotten.
    """
    assert (source, target) in TRANSITIONS, (source, target)
    moves = update(SettleJob).where(*job.of(SettleJob), SettleJob.status == source)
    moved = session.scalar(moves.values(status=target, **values).returning(SettleJob.id)) is not None
    if moved:
        job_events.record_move(session, job, source, target, now=now)
    return moved


_LOCKED: Final = (
    select(SettleJob)
    .where(*JobKey.of_named(SettleJob))
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


def lock(session: Session, job: JobKey) -> SettleJob | None:
    """Lock the job row until the transaction ends and return it as it is now, or None if there is none.

    Every transaction that opens a chunk or ends a job takes this lock. It is `NO KEY`, so that postings, which
    reference the job by a foreign key, do not wait for it.
    """
    return session.scalars(_LOCKED, job.named()).one_or_none()


class ConfirmationMismatch(BadInput):
    """Type CONFIRM, in capitals, to confirm."""


class WrongStatus(Refusal):
    """The job's status does not allow this."""


def may(by: Actor, job: SettleJob, action: Action) -> bool:
    """Return whether `by` may do `action` to this job. A reversal requires the right to reverse."""
    return by.may(_required_action(job, action))


def _required_action(job: SettleJob, action: Action) -> Action:
    return Action.REVERSE_JOB if job.kind is JobKind.REVERSE else action


def lock_if_allowed(session: Session, key: JobKey, by: Actor, action: Action) -> SettleJob:
    """Lock and return the job. Raise `NoSuchJob` or `NotAllowed`."""
    if key.practice_id != by.practice_id:
        raise NoSuchJob
    job = lock(session, key)
    if job is None:
        raise NoSuchJob
    by.require(_required_action(job, action))
    return job


def require_still_allowed(session: Session, job: SettleJob, by: Actor, action: Action) -> None:
    """Re-check the user's role under lock. It may have changed since the page was loaded. Raise `NotAllowed`."""
    authorize.require_current_role(session, by, _required_action(job, action))


_ACTS: Final = {
    S.CONFIRMED: "be resumed",
    S.AWAITING_APPROVAL: "wait for approval",
    S.REJECTED: "be rejected",
    S.DISCARDED: "be discarded",
    S.PAUSING: "be paused",
    S.CANCELLING: "be canceled",
}


def by_schedule(job: SettleJob) -> dict[str, int]:
    """Return the schedule's id for the audit log if a scheduled run acted on its owner's behalf."""
    return {} if job.schedule_id is None else {"schedule": job.schedule_id}


def wrong_status(job: SettleJob, what: str) -> WrongStatus:
    """Return a refusal that states the job's status and what cannot be done in it."""
    words = codes.status_words(job.status)
    message = f"The job is already {words}." if what == f"be {words}" else f"The job is {words}; it cannot {what}."
    return WrongStatus(message, status=job.status.value)


def transition_locked(
    session: Session,
    job: SettleJob,
    target: JobStatus,
    *,
    by: Actor,
    now: dt.datetime,
    sources: Collection[JobStatus],
    act: str,
    facts: Mapping[str, Any] | None = None,
    **values: Any,
) -> SettleJob:
    """Move the locked job and add an audit entry with `facts`. A second call changes nothing."""
    if job.status is target:
        return job
    if job.status not in sources:
        raise wrong_status(job, _ACTS[target])
    key = JobKey(job.practice_id, job.id)
    source = job.status
    moved = transition(session, key, source=source, target=target, now=now, **values)
    assert moved, "the row is locked"
    audit.record(session, f"job.{act}", job, by=by, now=now, was=source.value, **(facts or {}))
    session.refresh(job)
    return job

"""What every act on a job has in common: lock it, ask the role, move the status, write the audit."""

import datetime as dt
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy.orm import Session

from core.access import audit, still
from core.access.permissions import Action, Actor
from core.errors import BadInput, Refusal
from core.jobs import lifecycle
from core.jobs.keys import JobKey, NoSuchJob
from core.jobs.models import JobKind, JobStatus, SettleJob

CONFIRMATION: Final = "CONFIRM"

S = JobStatus


class ConfirmationMismatch(BadInput):
    """Type CONFIRM, all in capitals, to confirm."""

    code = "confirmation_mismatch"


class WrongStatus(Refusal):
    """The job's status does not allow this."""

    code = "wrong_status"


def may(by: Actor, job: SettleJob, action: Action) -> bool:
    """Tell whether `by` may do `action` to this job: whatever is done to a reversal takes who may reverse."""
    return by.may(_needed(job, action))


def _needed(job: SettleJob, action: Action) -> Action:
    return Action.REVERSE_JOB if job.kind is JobKind.REVERSE else action


def locked(session: Session, key: JobKey, by: Actor, action: Action) -> SettleJob:
    """The job, locked, if `by` may do `action` to it."""
    if key.practice_id != by.practice_id:
        raise NoSuchJob
    job = lifecycle.lock(session, key)
    if job is None:
        raise NoSuchJob
    by.require(_needed(job, action))
    return job


def still_may(session: Session, job: SettleJob, by: Actor, action: Action) -> None:
    """Hold the person as they are until the commit. Raises `NotAllowed` where they lost the right meanwhile."""
    still.require(session, by, _needed(job, action))


_ACTS: Final = {
    S.CONFIRMED: "go on",
    S.AWAITING_APPROVAL: "wait for approval",
    S.REJECTED: "be rejected",
    S.DISCARDED: "be discarded",
    S.PAUSING: "be paused",
    S.CANCELLING: "be cancelled",
}


def by_schedule(job: SettleJob) -> dict[str, int]:
    """Return the schedule for the audit, where it asked in its owner's name and the owner typed nothing."""
    return {} if job.schedule_id is None else {"schedule": job.schedule_id}


def refusal(job: SettleJob, what: str) -> WrongStatus:
    """The refusal that says what the job is and what it therefore cannot."""
    return WrongStatus(
        f"The job is {job.status.replace('_', ' ')}; it cannot {what}.",
        status=job.status.value,
    )


def move(
    session: Session,
    job: SettleJob,
    target: JobStatus,
    *,
    by: Actor,
    now: dt.datetime,
    sources: Collection[JobStatus],
    act: str,
    **values: Any,
) -> SettleJob:
    """Move the locked job; asked twice, the second changes nothing."""
    if job.status is target:
        return job
    if job.status not in sources:
        raise refusal(job, _ACTS[target])
    key = JobKey(job.practice_id, job.id)
    source = job.status
    moved = lifecycle.move(session, key, source=source, target=target, **values)
    assert moved, "the row is locked"
    subject = f"job:{job.id}"
    audit.record(
        session, f"job.{act}", practice_id=job.practice_id, subject=subject, by=by.user_id, now=now, was=source.value
    )
    session.refresh(job)
    return job

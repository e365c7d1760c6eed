"""What people do to a job. Each locks the job, asks the role, moves the status and writes the audit."""

import datetime as dt
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotFound, Refusal
from core.jobs import budget, lifecycle, retry
from core.jobs.keys import JobKey
from core.jobs.models import JobKind, JobStatus, SettleJob
from core.jobs.prepare import request_job as preview
from core.jobs.reversal import request_reversal as reverse

__all__ = ["cancel", "confirm", "discard", "may", "pause", "preview", "resume", "retry_failed", "reverse"]

CONFIRMATION: Final = "CONFIRM"
PREVIEW_LIFE: Final = dt.timedelta(hours=1)  # long enough to read it, short enough that it still tells the truth

S = JobStatus


class ConfirmationMismatch(BadInput):
    """Type CONFIRM, all in capitals, to confirm."""

    code = "confirmation_mismatch"


class PreviewPreparing(Refusal):
    """The preview is still being prepared; confirm when it is there."""

    code = "preview_preparing"


class PreviewExpired(Refusal):
    """This preview is over an hour old; preview again before confirming."""

    code = "preview_expired"


class WrongStatus(Refusal):
    """The job's status does not allow this."""

    code = "wrong_status"


def confirm(session: Session, key: JobKey, *, confirmation: str, by: Actor, now: dt.datetime) -> SettleJob:
    """Let the previewed job run, once: a job that was confirmed before comes back as it is.

    Raises `ConfirmationMismatch`, `PreviewPreparing`, `PreviewExpired` or `WrongStatus`; then nothing happens.
    """
    job = _locked(session, key, by, Action.CONFIRM_JOB)
    if confirmation != CONFIRMATION:
        raise ConfirmationMismatch
    if job.confirmed_at is not None:
        return job
    if job.status is S.PREPARING:
        raise PreviewPreparing
    if job.status is S.EXPIRED or (job.status is S.PREVIEWED and is_expired(job, now=now)):
        raise PreviewExpired
    values = {"confirmed_by": by.user_id, "confirmed_at": now}
    return _move(session, job, S.CONFIRMED, by=by, now=now, sources=(S.PREVIEWED,), act="confirmed", **values)


def is_expired(job: SettleJob, *, now: dt.datetime) -> bool:
    """Tell whether the preview is too old to be confirmed."""
    return job.previewed_at is not None and now - job.previewed_at >= PREVIEW_LIFE


def discard(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Give up a preview; nothing was done and nothing will be."""
    job = _locked(session, key, by, Action.PREVIEW_JOB)
    sources = (S.PREPARING, S.PREVIEWED, S.AWAITING_APPROVAL)
    return _move(session, job, S.DISCARDED, by=by, now=now, sources=sources, act="discarded")


def pause(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Ask the job to pause: no chunk is begun from now on, and it is paused when no worker is inside."""
    job = _locked(session, key, by, Action.CONTROL_JOB)
    return _move(session, job, S.PAUSING, by=by, now=now, sources=(S.CONFIRMED, S.RUNNING), act="pause_asked")


def resume(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Let a paused or halted job go on; after a halt its failure budget counts anew from here."""
    job = _locked(session, key, by, Action.CONTROL_JOB)
    values = budget.forgiven(session, key) if job.status is S.HALTED else {}
    sources = (S.PAUSED, S.HALTED)
    return _move(
        session, job, S.CONFIRMED, by=by, now=now, sources=sources, act="resumed", halted_because=None, **values
    )


def cancel(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Ask the job to end where it is: what is settled stays settled, the rest is not reached."""
    job = _locked(session, key, by, Action.CONTROL_JOB)
    sources = (S.CONFIRMED, S.RUNNING, S.PAUSING, S.PAUSED, S.HALTED)
    return _move(session, job, S.CANCELLING, by=by, now=now, sources=sources, act="cancel_asked")


def retry_failed(session: Session, key: JobKey, *, by: Actor, now: dt.datetime, code: str | None = None) -> SettleJob:
    """Open the failed claims of a finished, paused or halted job again (only those with `code`, where given)."""
    job = _locked(session, key, by, Action.CONTROL_JOB)
    sources = (S.COMPLETED, S.PAUSED, S.HALTED)
    if job.status not in sources:
        raise _refusal(job, "try its failed claims again")
    if retry.reopen_failed(session, key, code=code, now=now) == 0:
        return job
    values = {"finished_at": None, "halted_because": None, **budget.forgiven(session, key)}
    return _move(session, job, S.CONFIRMED, by=by, now=now, sources=sources, act="retried", **values)


def may(by: Actor, job: SettleJob, action: Action) -> bool:
    """Tell whether `by` may do `action` to this job: whatever is done to a reversal takes who may reverse."""
    return by.may(_needed(job, action))


def _needed(job: SettleJob, action: Action) -> Action:
    return Action.REVERSE_JOB if job.kind is JobKind.REVERSE else action


def _locked(session: Session, key: JobKey, by: Actor, action: Action) -> SettleJob:
    """The job, locked, if `by` may do `action` to it."""
    if key.practice_id != by.practice_id:
        raise NotFound("There is no such job in this practice.")
    job = lifecycle.lock(session, key)
    if job is None:
        raise NotFound("There is no such job in this practice.")
    by.require(_needed(job, action))
    return job


_ACTS: Final = {
    S.CONFIRMED: "go on",
    S.DISCARDED: "be discarded",
    S.PAUSING: "be paused",
    S.CANCELLING: "be cancelled",
}


def _refusal(job: SettleJob, what: str) -> WrongStatus:
    return WrongStatus(
        f"The job is {job.status.replace('_', ' ')}; it cannot {what}.",
        status=job.status.value,
    )


def _move(
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
        raise _refusal(job, _ACTS[target])
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

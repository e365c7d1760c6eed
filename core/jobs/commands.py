"""Commands on a job. Each locks the job, checks the role, changes the status and adds an entry to the audit log."""

import datetime as dt
from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.enums.jobs import CONFIRMATION, JobStatus
from core.errors import Refusal
from core.jobs import large_confirm, naming, posting_month, requesters, stale
from core.jobs.approval import decide, limits
from core.jobs.approval.decide import approve, reject
from core.jobs.execution import failure_budget, retry
from core.jobs.keys import JobKey
from core.jobs.lifecycle import (
    ConfirmationMismatch,
    WrongStatus,
    lock_if_allowed,
    may,
    require_still_allowed,
    transition_locked,
    wrong_status,
)
from core.jobs.preview import cost_share, freezing
from core.jobs.preview.create_preview import request_preview
from core.jobs.reversal.create_reversal import request_reversal
from core.models.jobs import SettleJob

__all__ = [
    "CONFIRMATION", "ConfirmationMismatch", "WrongStatus", "approve", "cancel", "confirm", "discard", "may", "pause",
    "reject", "request_preview", "request_reversal", "resume", "retry_failed",
]  # fmt: skip

S = JobStatus


class PreviewPreparing(Refusal):
    """The preview is still being prepared. Confirm when it is ready."""


class PreviewExpired(Refusal):
    """This preview is over an hour old. Preview again before confirming."""


def confirm(
    session: Session,
    key: JobKey,
    *,
    confirmation: str,
    cost_share_reason: str = "",
    changed_seen: int | None = None,
    name: str | None = None,
    by: Actor,
    now: dt.datetime,
) -> SettleJob:
    """Confirm the previewed job so that it runs. A job that is already confirmed is returned unchanged.

    A job that exceeds a limit waits for approval instead. `changed_seen` is how many claims had changed when the user
    saw the preview. With `name` None, the job keeps its name. Raise `ConfirmationMismatch`, `CostShareReasonMissing`,
    `PreviewPreparing`, `PreviewExpired`, `PreviewStale`, `BadJobName`, `WrongStatus`, or `VerificationNeeded` for a
    reversal and a large write-off. In each case nothing changes.
    """
    job = lock_if_allowed(session, key, by, Action.CONFIRM_JOB)
    if confirmation != CONFIRMATION:
        raise _mismatch(job, cost_share_reason)
    if job.confirmed_at is not None or job.status is S.AWAITING_APPROVAL:
        return job
    if job.status is S.PREPARING:
        raise PreviewPreparing
    if job.status is S.EXPIRED or (job.status is S.PREVIEWED and freezing.is_expired(job, now=now)):
        raise PreviewExpired if job.approval_requested_at is None else decide.ApprovalExpired
    if job.status is not S.PREVIEWED:
        raise wrong_status(job, "be confirmed")
    stale.check_seen(session, job, changed_seen)
    cost_share.set_reason(job, cost_share_reason)
    require_still_allowed(session, job, by, Action.CONFIRM_JOB)
    if large_confirm.needs_verification(session, job):
        by.require_verified()
    if name is not None:
        naming.set_name(session, job, name, by=by, now=now)
    job.limits = limits.for_confirmer(session, job, by.user_id, now=now)
    job.confirmed_by = by.user_id
    return decide.confirm_or_request_approval(session, job, now=now)


def _mismatch(job: SettleJob, cost_share_reason: str) -> ConfirmationMismatch:
    """Return the refusal of a word other than CONFIRM, with what else is wrong in the form."""
    mismatch = ConfirmationMismatch()
    other = cost_share.reason_fault(job, cost_share_reason) if job.status is S.PREVIEWED else None
    mismatch.facts["faults"] = {"confirmation": mismatch.message, **(other.facts["faults"] if other else {})}
    return mismatch


def discard(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Discard a preview. If the job needed approval, the requester sees who discarded it."""
    job = lock_if_allowed(session, key, by, Action.PREVIEW_JOB)
    sources = (S.PREPARING, S.PREVIEWED, S.AWAITING_APPROVAL)
    in_their_stead = job.status is S.AWAITING_APPROVAL and by.user_id not in requesters.requester_ids(job)
    decided: dict[str, Any] = {"decided_by": by.user_id, "decided_at": now} if in_their_stead else {}
    return transition_locked(session, job, S.DISCARDED, by=by, now=now, sources=sources, act="discarded", **decided)


def pause(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Pause the job. Workers start no more chunks, and the job is paused when the last worker finishes its chunk."""
    job = lock_if_allowed(session, key, by, Action.CONTROL_JOB)
    return transition_locked(
        session, job, S.PAUSING, by=by, now=now, sources=(S.CONFIRMED, S.RUNNING), act="pause_asked"
    )


def resume(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Resume a paused or halted job. After a halt, the failure budget starts over."""
    job = lock_if_allowed(session, key, by, Action.CONTROL_JOB)
    posting_month.lock_month_open(session, job)
    values: dict[str, Any] = failure_budget.reset_baseline(session, key) if job.status is S.HALTED else {}
    sources = (S.PAUSED, S.HALTED)
    return transition_locked(
        session, job, S.CONFIRMED, by=by, now=now, sources=sources, act="resumed", halted_because=None, **values
    )


def cancel(session: Session, key: JobKey, *, by: Actor, now: dt.datetime) -> SettleJob:
    """Cancel the rest of the job. Settled claims stay settled."""
    job = lock_if_allowed(session, key, by, Action.CONTROL_JOB)
    sources = (S.CONFIRMED, S.RUNNING, S.PAUSING, S.PAUSED, S.HALTED)
    return transition_locked(session, job, S.CANCELLING, by=by, now=now, sources=sources, act="cancel_asked")


def retry_failed(
    session: Session, key: JobKey, *, by: Actor, now: dt.datetime, chosen: Collection[str] | None = None
) -> SettleJob:
    """Reopen the failed claims of a completed, paused or halted job that can succeed, or only those with chosen codes.

    Raise `NoFailureChosen` if the choice is empty.
    """
    job = lock_if_allowed(session, key, by, Action.CONTROL_JOB)
    if job.status not in retry.RETRYABLE_STATUSES:
        raise wrong_status(job, "be retried")
    posting_month.lock_month_open(session, job)
    if retry.reopen_failed(session, job, chosen=chosen, now=now) == 0:
        return job
    reset: dict[str, Any] = failure_budget.reset_baseline(session, key)
    return transition_locked(
        session,
        job,
        S.CONFIRMED,
        by=by,
        now=now,
        sources=retry.RETRYABLE_STATUSES,
        act="retried",
        finished_at=None,
        halted_because=None,
        **reset,
    )

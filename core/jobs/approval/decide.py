"""Decide on a job that exceeds a limit: another user sees the same frozen preview and approves or rejects it."""

import datetime as dt
from typing import Any, Final

from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.approvers import AlreadyDecided, ReasonMissing
from core.access.one_person import OnePersonChoice
from core.access.permissions import Action, Actor
from core.enums.jobs import CONFIRMATION, JobStatus
from core.errors import Refusal
from core.jobs import frozen, lifecycle, posting_month, requesters, stale
from core.jobs.approval import limits, without_approval
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.policy import facts
from core.reading import is_valid_note

APPROVAL_EXPIRES_AFTER: Final = dt.timedelta(days=7)

S = JobStatus

_DECIDED: Final = {S.CONFIRMED: "approved", S.REJECTED: "rejected", S.DISCARDED: "discarded"}


class ApprovalExpired(Refusal):
    """This job was not approved within 7 days. Preview it again."""


class CostShareNotAllowed(Refusal):
    """Medicare or Medicaid cost sharing needs a Charity, Small balance or Bad debt reason. Preview the claims again."""


def confirm_or_request_approval(session: Session, job: SettleJob, *, now: dt.datetime) -> SettleJob:
    """Confirm the locked, previewed job. If it exceeds a limit, hand it to an approver instead.

    In a practice where one person works by choice, the job of that person runs although it exceeds a limit.

    Raise `CostShareNotAllowed`, `PeriodClosed` and `PeriodBusy`.
    """
    _require_cost_share_allowed(job)
    # Lock until the commit, so that of two jobs confirmed at once, the second counts the first one's dollars.
    authorize.lock_users(session, requesters.requester_ids(job))
    posting_month.lock_month_open(session, job)
    by = requesters.accountable_user(job)
    job.limits_exceeded = [dict(one) for one in limits.exceeded(session, job, by=by, now=now)]
    session.flush()
    key = JobKey(job.practice_id, job.id)
    chosen = None
    if job.limits_exceeded:
        chosen = without_approval.choice_for(session, job, confirmer=by, lock=True, now=now)
    if job.limits_exceeded and chosen is None:
        moved = lifecycle.transition(
            session, key, source=S.PREVIEWED, target=S.AWAITING_APPROVAL, now=now, approval_requested_at=now
        )
        act, facts = "job.approval_asked", {"over": [one["code"] for one in job.limits_exceeded]}
    else:
        ran = {"without_approval_chosen_by": chosen.by, "without_approval_chosen_at": chosen.at} if chosen else {}
        moved = lifecycle.transition(
            session, key, source=S.PREVIEWED, target=S.CONFIRMED, now=now, confirmed_at=now, **ran
        )
        act, facts = "job.confirmed", {"was": [S.PREVIEWED.value], **_ran_without_approval(job, chosen)}
    assert moved, "the row is locked"
    facts |= frozen.facts(session, key)
    audit.record(session, act, job, by=by, now=now, **facts, **lifecycle.by_schedule(job))
    session.refresh(job)
    return job


def _ran_without_approval(job: SettleJob, chosen: OnePersonChoice | None) -> dict[str, Any]:
    """Return the facts for the audit log."""
    if chosen is None:
        return {}
    return {"exceeded": [one["code"] for one in job.limits_exceeded], "without_approval": True}


def approve(
    session: Session,
    key: JobKey,
    *,
    confirmation: str,
    changed_seen: int | None = None,
    by: Actor,
    now: dt.datetime,
) -> SettleJob:
    """Approve the job, so that it runs. A second approval by the same user changes nothing.

    `changed_seen` is how many claims had changed when the user saw the preview. Raise `ConfirmationMismatch`,
    `NotAllowed` (own job, controlled account, new approver, or a role that changed since the page was loaded),
    `VerificationNeeded`, `AlreadyDecided`, `ApprovalExpired`, `PreviewStale`, `CostShareNotAllowed`, `PeriodClosed` or
    `WrongStatus`. In each case nothing changes.
    """
    job = lifecycle.lock_if_allowed(session, key, by, Action.APPROVE_JOB)
    if confirmation != CONFIRMATION:
        raise lifecycle.ConfirmationMismatch
    if _needs_decision(session, job, by, S.CONFIRMED, now=now):
        by.require_verified()
        stale.check_seen(session, job, changed_seen)
        _require_cost_share_allowed(job)
        posting_month.lock_month_open(session, job)
        decided: dict[str, Any] = {"decided_by": by.user_id, "decided_at": now, "confirmed_at": now}
        lifecycle.transition_locked(
            session, job, S.CONFIRMED, by=by, now=now, sources=(S.AWAITING_APPROVAL,), act="approved",
            facts=frozen.facts(session, key), **decided,
        )  # fmt: skip
    return job


def reject(session: Session, key: JobKey, *, reason: str, by: Actor, now: dt.datetime) -> SettleJob:
    """Reject the job with a reason for its requester. Raise what `approve` raises, and `ReasonMissing`."""
    job = lifecycle.lock_if_allowed(session, key, by, Action.APPROVE_JOB)
    reason = reason.strip()
    if not is_valid_note(reason):
        raise ReasonMissing
    if _needs_decision(session, job, by, S.REJECTED, now=now):
        decided: dict[str, Any] = {
            "decided_by": by.user_id, "decided_at": now, "decision_note": reason, "finished_at": now,
        }  # fmt: skip
        lifecycle.transition_locked(
            session, job, S.REJECTED, by=by, now=now, sources=(S.AWAITING_APPROVAL,), act="rejected", **decided
        )
    return job


def _require_cost_share_allowed(job: SettleJob) -> None:
    """Refuse a preview of an earlier version, which let a job override the rule on cost sharing."""
    is_allowed = job.reason in facts.COST_SHARE_REASONS and facts.COST_SHARE_RULE not in job.overridden_rules
    if (job.preview or {}).get("cost_share") and not is_allowed:
        raise CostShareNotAllowed


def _needs_decision(session: Session, job: SettleJob, by: Actor, target: JobStatus, *, now: dt.datetime) -> bool:
    """Return True if `by` may decide now, or False if they made the same decision before."""
    if job.decided_at is not None:
        decided = job.status if job.status in _DECIDED else S.CONFIRMED  # it has started running
        if job.decided_by == by.user_id and decided is target:
            return False
        who = "You have" if job.decided_by == by.user_id else "Another user has"
        raise AlreadyDecided(f"{who} already {_DECIDED[decided]} this job.", status=job.status.value)
    if (job.status is S.EXPIRED and job.approval_requested_at) or (
        job.status is S.AWAITING_APPROVAL and is_expired(job, now=now)
    ):
        raise ApprovalExpired
    if job.status is not S.AWAITING_APPROVAL:
        raise lifecycle.wrong_status(job, f"be {_DECIDED[target]}")
    if refusal := requesters.why_not_approve(session, job, by.user_id, now=now):
        raise refusal
    lifecycle.require_still_allowed(session, job, by, Action.APPROVE_JOB)
    return True


def expires_at(job: SettleJob) -> dt.datetime | None:
    """Return the deadline for approval, or None if the job needs none."""
    return job.approval_requested_at + APPROVAL_EXPIRES_AFTER if job.approval_requested_at else None


def is_expired(job: SettleJob, *, now: dt.datetime) -> bool:
    """Return whether the deadline for approval has passed."""
    return job.approval_requested_at is not None and now - job.approval_requested_at >= APPROVAL_EXPIRES_AFTER

"""Jobs that need approval, and recent decisions on a user's jobs."""

import datetime as dt
from typing import Final

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.enums.jobs import JobStatus
from core.jobs import requesters
from core.jobs.approval.decide import APPROVAL_EXPIRES_AFTER
from core.models.jobs import SettleJob
from core.models.people import User

NEWS_LIFE: Final = dt.timedelta(days=7)  # how long a decision is shown to the requester


def jobs_to_approve(session: Session, actor: Actor, *, now: dt.datetime) -> list[SettleJob]:
    """Return the jobs that this user may approve or reject, oldest first."""
    if not actor.may(Action.APPROVE_JOB):
        return []
    return list(
        session.scalars(
            select(SettleJob)
            .where(*_jobs_to_approve_clause(session, actor, now))
            .order_by(SettleJob.approval_requested_at)
        )
    )


def jobs_for_other_approvers(session: Session, actor: Actor, *, now: dt.datetime) -> list[tuple[SettleJob, str]]:
    """Return the jobs of others that this approver may not approve, oldest first, each with the reason."""
    if not actor.may(Action.APPROVE_JOB):
        return []
    of_practice, waits, recent, may = _jobs_to_approve_clause(session, actor, now)
    others = (of_practice, waits, recent, not_(may), not_(requesters.requested_by(actor.user_id)))
    found = session.scalars(select(SettleJob).where(*others).order_by(SettleJob.approval_requested_at))
    refusals = [(job, requesters.why_not_approve(session, job, actor.user_id, now=now)) for job in found]
    return [(job, refusal.message) for job, refusal in refusals if refusal]


def count_jobs_to_approve(session: Session, actor: Actor, *, now: dt.datetime) -> int:
    """Count the jobs that this user may approve or reject."""
    if not actor.may(Action.APPROVE_JOB):
        return 0
    return session.scalars(
        select(func.count()).select_from(SettleJob).where(*_jobs_to_approve_clause(session, actor, now))
    ).one()


def my_jobs_awaiting_approval(session: Session, actor: Actor) -> list[SettleJob]:
    """Return this user's jobs that need approval, oldest first."""
    waits = (*_requested_by(actor), SettleJob.status == JobStatus.AWAITING_APPROVAL)
    return list(session.scalars(select(SettleJob).where(*waits).order_by(SettleJob.approval_requested_at)))


def my_decided_jobs(session: Session, actor: Actor, *, now: dt.datetime) -> list[SettleJob]:
    """Return this user's jobs that were recently approved, rejected, discarded or expired, newest first."""
    expired_at = SettleJob.approval_requested_at + APPROVAL_EXPIRES_AFTER
    recent = or_(
        SettleJob.decided_at > now - NEWS_LIFE,
        and_(SettleJob.status == JobStatus.EXPIRED, expired_at > now - NEWS_LIFE),
    )
    newest = func.coalesce(SettleJob.decided_at, expired_at).desc()
    return list(
        session.scalars(select(SettleJob).where(*_requested_by(actor), recent).order_by(newest, SettleJob.id.desc()))
    )


def deactivated_requesters(session: Session, job: SettleJob) -> list[str]:
    """Return the names of the requesters whose accounts were deactivated."""
    is_requester = User.id.in_(requesters.requester_ids(job))
    return list(session.scalars(select(User.name).where(is_requester, ~User.active).order_by(User.name)))


def _jobs_to_approve_clause(session: Session, actor: Actor, now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        SettleJob.practice_id == actor.practice_id,
        SettleJob.status == JobStatus.AWAITING_APPROVAL,
        SettleJob.approval_requested_at > now - APPROVAL_EXPIRES_AFTER,
        requesters.may_be_approved_by(session, actor.practice_id, actor.user_id, now=now),
    )


def _requested_by(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return SettleJob.practice_id == actor.practice_id, requesters.requested_by(actor.user_id)

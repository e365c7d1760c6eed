"""Jobs that need approval, and recent decisions on a user's jobs."""

import datetime as dt
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor, roles_that_may
from core.jobs.approval import requesters
from core.jobs.approval.decide import APPROVAL_LIFE
from core.models.jobs import JobStatus, SettleJob
from core.models.people import User

NEWS_LIFE: Final = dt.timedelta(days=7)  # how long a decision is shown to the requester


def for_me(session: Session, actor: Actor, *, now: dt.datetime) -> list[SettleJob]:
    """Return the jobs that this user may approve or reject, oldest first."""
    if not actor.may(Action.APPROVE_JOB):
        return []
    return list(session.scalars(select(SettleJob).where(*_for(actor, now)).order_by(SettleJob.approval_asked_at)))


def count_for_me(session: Session, actor: Actor, *, now: dt.datetime) -> int:
    """Count the jobs that this user may approve or reject."""
    if not actor.may(Action.APPROVE_JOB):
        return 0
    return session.scalars(select(func.count()).select_from(SettleJob).where(*_for(actor, now))).one()


def of_mine(session: Session, actor: Actor) -> list[SettleJob]:
    """Return this user's jobs that need approval, oldest first."""
    waits = (*_asked_by(actor), SettleJob.status == JobStatus.AWAITING_APPROVAL)
    return list(session.scalars(select(SettleJob).where(*waits).order_by(SettleJob.approval_asked_at)))


def decided_of_mine(session: Session, actor: Actor, *, now: dt.datetime) -> list[SettleJob]:
    """Return this user's jobs that were recently approved, rejected, discarded or expired, newest first."""
    expired_at = SettleJob.approval_asked_at + APPROVAL_LIFE
    lately = or_(
        SettleJob.decided_at > now - NEWS_LIFE,
        and_(SettleJob.status == JobStatus.EXPIRED, expired_at > now - NEWS_LIFE),
    )
    newest = func.coalesce(SettleJob.decided_at, expired_at).desc()
    return list(
        session.scalars(select(SettleJob).where(*_asked_by(actor), lately).order_by(newest, SettleJob.id.desc()))
    )


def who_may_approve(session: Session, job: SettleJob, *, confirmer: int | None = None) -> list[User]:
    """Return the users who may approve the job, by name. For a preview, assume that `confirmer` confirms it."""
    people = select(User).where(
        User.practice_id == job.practice_id,
        User.active,
        User.role.in_(roles_that_may(Action.APPROVE_JOB)),
        User.id.not_in(requesters.barred(job) | {confirmer or job.requested_by}),
    )
    return list(session.scalars(people.order_by(User.name, User.id)))


def who_left(session: Session, job: SettleJob) -> list[str]:
    """Return the names of the requesters whose accounts were deactivated."""
    asked = User.id.in_(requesters.of_job(job))
    return list(session.scalars(select(User.name).where(asked, ~User.active).order_by(User.name)))


def is_own(actor: Actor, job: SettleJob) -> bool:
    """Return whether the user requested the job or created its schedule, so that another user must decide."""
    return actor.user_id in requesters.barred(job)


def _for(actor: Actor, now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        SettleJob.practice_id == actor.practice_id,
        SettleJob.status == JobStatus.AWAITING_APPROVAL,
        SettleJob.approval_asked_at > now - APPROVAL_LIFE,
        ~requesters.is_barred(actor.user_id),
    )


def _asked_by(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    return SettleJob.practice_id == actor.practice_id, requesters.is_one(actor.user_id)

"""Jobs that wait for another person's word: for whom, since when, and what was decided."""

import datetime as dt
from typing import Final

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from core.access.models import User
from core.access.permissions import Action, Actor, roles_that_may
from core.jobs.approval import APPROVAL_LIFE
from core.jobs.models import JobStatus, SettleJob

NEWS_LIFE: Final = dt.timedelta(days=7)  # so long a decision is news to who asked for it


def for_me(session: Session, actor: Actor, *, now: dt.datetime) -> list[SettleJob]:
    """The jobs that this person may approve or reject, the oldest first."""
    if not actor.may(Action.APPROVE_JOB):
        return []
    return list(session.scalars(select(SettleJob).where(*_for(actor, now)).order_by(SettleJob.approval_asked_at)))


def count_for_me(session: Session, actor: Actor, *, now: dt.datetime) -> int:
    """How many jobs this person may approve or reject."""
    if not actor.may(Action.APPROVE_JOB):
        return 0
    return session.scalars(select(func.count()).select_from(SettleJob).where(*_for(actor, now))).one()


def of_mine(session: Session, actor: Actor) -> list[SettleJob]:
    """The jobs that this person asked for and that wait for another, the oldest first."""
    waits = (*_of(actor), SettleJob.status == JobStatus.AWAITING_APPROVAL)
    return list(session.scalars(select(SettleJob).where(*waits).order_by(SettleJob.approval_asked_at)))


def decided_of_mine(session: Session, actor: Actor, *, now: dt.datetime) -> list[SettleJob]:
    """The jobs of this person that somebody approved or rejected lately, or on which nobody did, the newest first."""
    expired_at = SettleJob.approval_asked_at + APPROVAL_LIFE
    lately = or_(
        SettleJob.decided_at > now - NEWS_LIFE,
        and_(SettleJob.status == JobStatus.EXPIRED, expired_at > now - NEWS_LIFE),
    )
    newest = func.coalesce(SettleJob.decided_at, expired_at).desc()
    return list(session.scalars(select(SettleJob).where(*_of(actor), lately).order_by(newest, SettleJob.id.desc())))


def who_may_approve(session: Session, job: SettleJob) -> list[User]:
    """The people who may decide on the job now, by name."""
    people = select(User).where(
        User.practice_id == job.practice_id,
        User.active,
        User.role.in_(roles_that_may(Action.APPROVE_JOB)),
        User.id.not_in({job.requested_by, job.confirmed_by, job.schedule_made_by} - {None}),
    )
    return list(session.scalars(people.order_by(User.name, User.id)))


def who_left(session: Session, job: SettleJob) -> list[str]:
    """The names of those on whose behalf the job would run and whose accounts were deactivated meanwhile."""
    asked = User.id.in_({job.requested_by, job.confirmed_by} - {None})
    return list(session.scalars(select(User.name).where(asked, ~User.active).order_by(User.name)))


def is_own(actor: Actor, job: SettleJob) -> bool:
    """Tell whether the person asked for the job, confirmed it or made its schedule: then another must decide."""
    return actor.user_id in (job.requested_by, job.confirmed_by, job.schedule_made_by)


def _for(actor: Actor, now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        SettleJob.practice_id == actor.practice_id,
        SettleJob.status == JobStatus.AWAITING_APPROVAL,
        SettleJob.approval_asked_at > now - APPROVAL_LIFE,
        SettleJob.requested_by != actor.user_id,
        SettleJob.confirmed_by != actor.user_id,
        SettleJob.schedule_made_by.is_distinct_from(actor.user_id),
    )


def _of(actor: Actor) -> tuple[ColumnElement[bool], ...]:
    mine = or_(SettleJob.requested_by == actor.user_id, SettleJob.confirmed_by == actor.user_id)
    return SettleJob.practice_id == actor.practice_id, mine

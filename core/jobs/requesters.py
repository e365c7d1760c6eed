"""A job's requesters: the user who previewed it and the user who confirmed it. Neither may approve it.

They are often the same user. The requester of a scheduled run is the schedule's owner. For "run now",
the user who started the run is a requester too. The user who created the schedule is not a requester, but may not
approve its jobs either.
"""

from sqlalchemy import ColumnElement, Select, case, or_, select

from core.access.permissions import Action, roles_allowing
from core.models.jobs import SettleJob
from core.models.people import User


def requester_ids(job: SettleJob) -> frozenset[int]:
    """Return the ids of the job's requesters."""
    return frozenset({job.requested_by, job.confirmed_by or job.requested_by})


def requested_by(user_id: int) -> ColumnElement[bool]:
    """Return, as SQL, whether this user is a requester of the job."""
    return or_(SettleJob.requested_by == user_id, SettleJob.confirmed_by.is_not_distinct_from(user_id))


def cannot_approve(job: SettleJob) -> frozenset[int]:
    """Return the users who may not approve the job: its requesters, and the user who created its schedule."""
    return requester_ids(job) | {job.schedule_created_by or job.requested_by}


def cannot_be_approved_by(user_id: int) -> ColumnElement[bool]:
    """Return, as SQL, whether this user may not approve the job."""
    return or_(requested_by(user_id), SettleJob.schedule_created_by.is_not_distinct_from(user_id))


def approvers(job: SettleJob, *, confirmer: int | None = None) -> Select[User]:
    """Return, as SQL, the users who may approve the job. For a preview, assume that `confirmer` confirms it."""
    return select(User).where(
        User.practice_id == job.practice_id,
        User.active,
        User.role.in_(roles_allowing(Action.APPROVE_JOB)),
        User.id.not_in(cannot_approve(job) | {confirmer or job.requested_by}),
    )


def accountable_user(job: SettleJob) -> int:
    """Return the requester whose daily limit the job counts against and who is notified of the decision."""
    return job.requested_by if job.schedule_id is not None or job.confirmed_by is None else job.confirmed_by


def accountable_to(user_id: int) -> ColumnElement[bool]:
    """Return, as SQL, whether the job counts against this user's daily limit."""
    answers_ = case((SettleJob.schedule_id.is_(None), SettleJob.confirmed_by), else_=SettleJob.requested_by)
    return answers_ == user_id

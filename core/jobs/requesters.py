"""A job's requesters: the user who previewed it and the user who confirmed it. Neither may approve it.

They are often the same user. The requester of a scheduled run is the schedule's owner. For "run now",
the user who started the run is a requester too. The user who created the schedule is not a requester, but may not
approve its jobs either. The same holds for an account that one of these users controls (`core.access.ties`), and for
an account that became an approver less than 24 hours ago.
"""

import datetime as dt

from sqlalchemy import ColumnElement, case, or_
from sqlalchemy.orm import Session

from core.access.approvers import ControlledAccount, find_tie, list_approvers, may_approve
from core.access.ties import Grant
from core.errors import NotAllowed
from core.models.jobs import SettleJob
from core.models.people import User


class OwnJob(NotAllowed):
    """You requested this job, so another user must approve it."""


def requester_ids(job: SettleJob) -> frozenset[int]:
    """Return the ids of the job's requesters."""
    return frozenset({job.requested_by, job.confirmed_by or job.requested_by})


def requested_by(user_id: int) -> ColumnElement[bool]:
    """Return, as SQL, whether this user is a requester of the job."""
    return or_(SettleJob.requested_by == user_id, SettleJob.confirmed_by.is_not_distinct_from(user_id))


def is_own(job: SettleJob, user_id: int) -> bool:
    """Return whether the user requested the job or created its schedule."""
    return user_id in _interested(job)


def why_not_approve(session: Session, job: SettleJob, user_id: int, *, now: dt.datetime) -> NotAllowed | None:
    """Return the refusal that the user gets who would approve the job, or None. The role is checked elsewhere."""
    if user_id in requester_ids(job):
        return OwnJob()
    if user_id == job.schedule_created_by:
        return OwnJob("You created this job's schedule, so another user must approve it.")
    tie = find_tie(session, job.practice_id, _interested(job), user_id, now=now)
    return ControlledAccount(_describe(session, job, tie)) if isinstance(tie, Grant) else tie


def _describe(session: Session, job: SettleJob, tie: Grant) -> str:
    by = session.get_one(User, tie.by).name
    if tie.by in requester_ids(job):
        because = f"{by} requested this job and {tie.describe('your account')}"
    elif tie.by == job.schedule_created_by:
        because = f"{by} created this job's schedule and {tie.describe('your account')}"
    else:
        because = f"A requester of this job controls your account through the account of {by}"
    return f"{because}, so another user must approve it. An independent administrator can vouch for your account."


def may_be_approved_by(session: Session, practice_id: int, user_id: int, *, now: dt.datetime) -> ColumnElement[bool]:
    """Return, as SQL, whether this user may approve the job. The role is checked elsewhere."""
    columns = (SettleJob.requested_by, SettleJob.confirmed_by, SettleJob.schedule_created_by)
    return may_approve(session, practice_id, user_id, columns, now=now)


def approvers(session: Session, job: SettleJob, *, confirmer: int | None = None, now: dt.datetime) -> list[User]:
    """Return the users who may approve the job, by name. For a preview, assume that `confirmer` confirms it."""
    interested = _interested(job) | {confirmer or job.requested_by}
    return list_approvers(session, job.practice_id, interested, now=now)


def _interested(job: SettleJob) -> frozenset[int]:
    """Return the requesters and the user who created the job's schedule."""
    return requester_ids(job) | {job.schedule_created_by or job.requested_by}


def accountable_user(job: SettleJob) -> int:
    """Return the requester whose daily limit the job counts against and who is notified of the decision."""
    return job.requested_by if job.schedule_id is not None or job.confirmed_by is None else job.confirmed_by


def accountable_to(user_id: int) -> ColumnElement[bool]:
    """Return, as SQL, whether the job counts against this user's daily limit."""
    answers_ = case((SettleJob.schedule_id.is_(None), SettleJob.confirmed_by), else_=SettleJob.requested_by)
    return answers_ == user_id

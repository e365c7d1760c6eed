"""Who asked for a job: who requested it, and whose CONFIRM lets it run. Another person decides on it, never they.

A person's own job has one asker, or two where another confirms than previewed. A schedule's has its owner, who typed
CONFIRM when it began to settle, and, where somebody pressed "run now", that person too.
"""

from sqlalchemy import ColumnElement, case, or_

from core.models.jobs import SettleJob


def of_job(job: SettleJob) -> frozenset[int]:
    """The ids of the users who asked for it."""
    return frozenset({job.requested_by, job.confirmed_by or job.requested_by})


def is_one(user_id: int) -> ColumnElement[bool]:
    """The condition on a job that this user asked for it."""
    return or_(SettleJob.requested_by == user_id, SettleJob.confirmed_by.is_not_distinct_from(user_id))


def barred(job: SettleJob) -> frozenset[int]:
    """Who may not decide on it: who asked for it, and who made its schedule, whoever owns that now."""
    return of_job(job) | {job.schedule_made_by or job.requested_by}


def is_barred(user_id: int) -> ColumnElement[bool]:
    """The same, as a condition on a job."""
    return or_(is_one(user_id), SettleJob.schedule_made_by.is_not_distinct_from(user_id))


def answers(job: SettleJob) -> int:
    """Which of them let it run, or will: whose day it uses up, and who reads what was decided."""
    return job.requested_by if job.schedule_id is not None or job.confirmed_by is None else job.confirmed_by


def is_answered_by(user_id: int) -> ColumnElement[bool]:
    """The same, as a condition on a job."""
    answers_ = case((SettleJob.schedule_id.is_(None), SettleJob.confirmed_by), else_=SettleJob.requested_by)
    return answers_ == user_id

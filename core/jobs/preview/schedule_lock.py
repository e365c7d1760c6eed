"""A lock for a practice's scheduled runs. They freeze claims one after the other, each seeing the one before."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.locks import waiting
from core.errors import Refusal
from core.models.jobs import SettleJob


class ScheduleRunBusy(Refusal):
    """Another scheduled run of this practice is being prepared. Try again in a moment."""

    code = "night_busy"


def lock(session: Session, job: SettleJob) -> None:
    """Lock out the practice's other scheduled runs until the commit. Raise `ScheduleRunBusy` after five seconds.

    The statement that freezes must come later, so that it sees what was committed while it waited.
    """
    with waiting(session, ScheduleRunBusy):
        session.execute(select(func.pg_advisory_xact_lock(_of_practice(job))))


def try_lock(session: Session, job: SettleJob) -> bool:
    """Try to take the lock without waiting. Return whether we got it."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_of_practice(job)))))


def _of_practice(job: SettleJob) -> object:
    return func.hashtextextended("nights", job.practice_id)

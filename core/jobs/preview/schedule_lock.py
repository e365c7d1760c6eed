"""A lock for a practice's scheduled runs. They freeze claims one after the other, each seeing the one before."""

from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.db.transient import LOCK_NOT_AVAILABLE, sqlstate
from core.errors import Refusal
from core.models.jobs import SettleJob

_WAIT: Final = text("SELECT set_config('lock_timeout', '5s', true)")


class ScheduleRunBusy(Refusal):
    """Another scheduled run of this practice is being prepared. Try again in a moment."""

    code = "night_busy"


def lock(session: Session, job: SettleJob) -> None:
    """Lock out the practice's other scheduled runs until the commit. Raise `ScheduleRunBusy` after five seconds.

    The statement that freezes must come later, so that it sees what was committed while it waited.
    """
    session.execute(_WAIT)
    try:
        session.execute(select(func.pg_advisory_xact_lock(_of_practice(job))))
    except OperationalError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            raise ScheduleRunBusy from None
        raise


def try_lock(session: Session, job: SettleJob) -> bool:
    """Try to take the lock without waiting. Return whether we got it."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_of_practice(job)))))


def _of_practice(job: SettleJob) -> object:
    return func.hashtextextended("nights", job.practice_id)

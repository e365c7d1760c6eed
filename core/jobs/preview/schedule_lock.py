"""The nights of a practice freeze their claims one after the other: each sees what the one before it holds."""

from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.db.transient import LOCK_NOT_AVAILABLE, sqlstate
from core.errors import Refusal
from core.models.jobs import SettleJob

_WAIT: Final = text("SELECT set_config('lock_timeout', '5s', true)")


class NightBusy(Refusal):
    """Another run of this practice's schedules is being prepared; try again in a moment."""

    code = "night_busy"


def wait(session: Session, job: SettleJob) -> None:
    """Let no other night of the practice freeze claims until the commit. Raises `NightBusy` after five seconds.

    The statement that freezes must be a later one, so that it sees what was committed meanwhile.
    """
    session.execute(_WAIT)
    try:
        session.execute(select(func.pg_advisory_xact_lock(_of_practice(job))))
    except OperationalError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            raise NightBusy from None
        raise


def is_mine(session: Session, job: SettleJob) -> bool:
    """The same for who can come again: tell whether no other night is at it."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_of_practice(job)))))


def _of_practice(job: SettleJob) -> object:
    return func.hashtextextended("nights", job.practice_id)

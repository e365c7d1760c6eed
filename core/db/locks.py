"""A lock that another transaction holds: wait for it, then refuse instead of failing."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.db.timeouts import LOCK_TIMEOUT
from core.db.transient import LOCK_NOT_AVAILABLE, sqlstate
from core.errors import Refusal

_SET_TIMEOUT = text("SELECT set_config('lock_timeout', :wait, true)")


@contextmanager
def waiting(session: Session, busy: type[Refusal], *, has_timeout: bool = False) -> Iterator[None]:
    """Wait at most five seconds for locks in the block, or for the transaction's own time-out. Then raise `busy`."""
    if not has_timeout:
        session.execute(_SET_TIMEOUT, {"wait": LOCK_TIMEOUT})
    try:
        yield
    except OperationalError as error:
        if sqlstate(error) == LOCK_NOT_AVAILABLE:
            raise busy from None
        raise

"""Ask the database with a deadline: whoever watches must get an answer when the database gives none."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.db.engine import Sessions, transaction
from core.db.transient import sqlstate

STATEMENT_SECONDS: Final = 2  # of one question of those who watch; slower than that is an answer too
_QUERY_CANCELED: Final = "57014"
_GENTLY: Final = text(
    f"SELECT set_config('statement_timeout', '{STATEMENT_SECONDS}s', true), set_config('lock_timeout', '1s', true), "
    "set_config('jit', 'off', true)"
)

T = TypeVar("T")


class Silent(Exception):
    """There was no answer in time."""


class Asked(Generic[T]):
    """A question that is asked once at a time, in a thread of its own; its answer is kept for a few seconds.

    A server that hangs keeps that one thread, and nobody else.
    """

    def __init__(self, ask: Callable[[], T], *, wait_seconds: float, keep_seconds: float = 0) -> None:
        """`ask` raises what it raises; whoever asks gets it."""
        self._ask, self._wait_seconds, self._keep_seconds = ask, wait_seconds, keep_seconds
        self._lock = threading.Lock()
        self._asked: Future[T] | None = None
        self._asked_at = 0.0

    def answer(self) -> T:
        """The answer, or `Silent` if it does not come in time."""
        with self._lock:
            if self._asked is None or self._is_old(self._asked):
                self._asked, self._asked_at = Future(), time.monotonic()
                threading.Thread(target=_fill, args=(self._asked, self._ask), name="asked", daemon=True).start()
            asked = self._asked
        try:
            return asked.result(self._wait_seconds)
        except TimeoutError:
            raise Silent from None

    def _is_old(self, asked: Future[T]) -> bool:
        if not asked.done():
            return False
        return asked.exception() is not None or time.monotonic() - self._asked_at >= self._keep_seconds


def _fill(asked: Future[T], ask: Callable[[], T]) -> None:
    try:
        asked.set_result(ask())
    except BaseException as error:  # noqa: BLE001  whoever asked gets it
        asked.set_exception(error)


def gently(sessions: Sessions, question: Callable[[Session], T]) -> T | None:
    """Ask in a transaction of its own with a short time-out; None where the database was too slow for it."""
    try:
        with transaction(sessions) as session:
            session.execute(_GENTLY)
            return question(session)
    except DBAPIError as error:
        if sqlstate(error) == _QUERY_CANCELED:
            return None
        raise

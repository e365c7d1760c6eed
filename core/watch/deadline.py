"""Query the database with a deadline, so that monitoring gets an answer when the database hangs."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, Generic, TypeVar

from sqlalchemy import event, text
from sqlalchemy.orm import Session

from core.db.engine import Sessions, transaction
from core.db.transient import LOCK_NOT_AVAILABLE, QUERY_CANCELED, is_unavailable, sqlstate

BUDGET_SECONDS: Final = 3  # for all queries of one page or scrape; a load balancer gives up soon after
QUERY_SECONDS: Final = 2  # for one query; after that, the page shows the value as unknown
_TOO_SLOW: Final = frozenset({QUERY_CANCELED, LOCK_NOT_AVAILABLE})
# A query only reads, so it waits only for a transaction that alters a table, which can take a long time.
_READ_SETTINGS: Final = text("SELECT set_config('lock_timeout', '300ms', true), set_config('jit', 'off', true)")
_SET_STATEMENT_TIMEOUT: Final = text("SELECT set_config('statement_timeout', :milliseconds, true)")

_log: Final = logging.getLogger(__name__)

T = TypeVar("T")


class TimedOut(Exception):
    """There was no answer in time."""


class DeadlineCall(Generic[T]):
    """A call that runs in its own thread, never twice at once. Its result is cached for `keep_seconds`.

    A hanging server blocks only that thread.
    """

    def __init__(self, ask: Callable[[], T], *, wait_seconds: float, keep_seconds: float = 0) -> None:
        """Make `answer` return what `ask` returns, or raise what `ask` raises."""
        self._ask, self._wait_seconds, self._keep_seconds = ask, wait_seconds, keep_seconds
        self._lock = threading.Lock()
        self._running: Future[T] | None = None
        self._started_at = 0.0

    def answer(self) -> T:
        """Return the result. Raise `TimedOut` if it does not come in time."""
        with self._lock:
            if self._running is None or self._is_old(self._running):
                self._running, self._started_at = Future(), time.monotonic()
                threading.Thread(
                    target=_run_call, args=(self._running, self._ask), name="deadline-call", daemon=True
                ).start()
            call = self._running
            started_at = self._started_at
        try:
            answer = call.result(self._wait_seconds)
        except TimeoutError:
            raise TimedOut from None
        # A result of a call that started long ago may be older than what another process already reported.
        if time.monotonic() - started_at > max(self._wait_seconds, self._keep_seconds):
            raise TimedOut
        return answer

    def _is_old(self, call: Future[T]) -> bool:
        if not call.done():
            return False
        return call.exception() is not None or time.monotonic() - self._started_at >= self._keep_seconds


def _run_call(call: Future[T], ask: Callable[[], T]) -> None:
    try:
        call.set_result(ask())
    except BaseException as error:  # noqa: BLE001  raised again in the caller
        call.set_exception(error)


class QueryBudget:
    """Queries under one deadline, each in its own transaction."""

    def __init__(self, sessions: Sessions) -> None:
        """Start the deadline of `BUDGET_SECONDS`."""
        self._sessions = sessions
        self._until = time.monotonic() + BUDGET_SECONDS

    @property
    def is_over(self) -> bool:
        """Return whether the deadline has passed."""
        return time.monotonic() >= self._until

    def ask(self, question: Callable[[Session], T]) -> T | None:
        """Return the result, or None if it does not come in time or the query fails, which is logged.

        Raise what the driver raises if the database is unavailable.
        """
        until = min(self._until, time.monotonic() + QUERY_SECONDS)
        try:
            with transaction(self._sessions) as session:
                event.listen(session, "do_orm_execute", lambda _: _limit_statement(session, until))
                session.execute(_READ_SETTINGS)
                return question(session)
        except Exception as error:
            if is_unavailable(error):
                raise
            if not isinstance(error, TimedOut) and sqlstate(error) not in _TOO_SLOW:
                _log.exception("a database query failed")
            return None


def _limit_statement(session: Session, until: float) -> None:
    """Give the next statement what is left of the query's time."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimedOut
    session.connection().execute(_SET_STATEMENT_TIMEOUT, {"milliseconds": f"{max(1, round(left * 1000))}ms"})

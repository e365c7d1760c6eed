"""End a worker whose pool is stuck or gone, so that its supervisor starts a fresh one.

A pool process killed while it writes its result can leave the main process reading forever. One killed while the broker
is down is not replaced until the broker is back. Every pool process polls twice a second, so if work waits and no
process takes it, the pool is stuck.
"""

import datetime as dt
import os
import signal
import threading
from typing import Any, Final

import structlog

from core.db.engine import transaction
from core.jobs.results import progress
from core.settings import QUEUE_SETTLE, load_settings
from worker import import_turn
from worker.app import app
from worker.process import sessions

POOL_REPLACEMENT_SECONDS: Final = 1  # a healthy main process replaces a dead pool process sooner

log: Final = structlog.get_logger(__name__)


class Watchdog:
    """Remembers when work began to wait. `pool` is Celery's. It does nothing once `stopping` is set."""

    def __init__(self, pool: Any, stopping: threading.Event) -> None:
        """Start without having seen any waiting work."""
        self._pool, self._stopping = pool, stopping
        self._since: dt.datetime | None = None

    def look(self, *, now: dt.datetime) -> None:
        """End this worker if it takes settle hints and its pool is gone or accepts no work.

        A job must wait for `worker_stuck_seconds`, and then for the same time again while this worker watches.
        """
        if QUEUE_SETTLE not in app.amqp.queues.consume_from:
            return
        if self._is_gone() and not self._stopping.wait(POOL_REPLACEMENT_SECONDS) and self._is_gone():
            log.error("pool_is_gone")
            _kill_worker()
        patience = dt.timedelta(seconds=load_settings().worker_stuck_seconds)
        with transaction(sessions()) as session:
            waiting = progress.find_stalled_job(session, now=now, for_at_least=patience)
        if waiting is None or self._only_imports():
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= patience:
            log.error("worker_is_stuck", job_id=waiting.job_id)
            _kill_worker()

    def _only_imports(self) -> bool:
        """Return whether the pool's only process is importing, which makes jobs wait."""
        return len(pool_pids(self._pool)) == 1 and import_turn.is_importing()

    def _is_gone(self) -> bool:
        processes = pool_pids(self._pool)
        return bool(processes) and all(map(_has_ended, processes))


def pool_pids(pool: Any) -> list[int]:
    """Return the process ids of Celery's pool."""
    return sorted(pool.info.get("processes", ())) if isinstance(pool.info, dict) else []


def _has_ended(pid: int) -> bool:
    """Return whether a child has ended, without taking its exit code from the pool."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _kill_worker() -> None:
    """Kill this worker, and its process group if it leads one.

    A stuck pool process would outlive the worker.
    """
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)

"""A worker whose pool is stuck ends itself, so that its supervisor starts a fresh one.

A pool process that is killed while it writes its answer can leave the main process reading for ever: it lives, it is
asked, it does nothing. Nobody outside sees that, but the database does: work waits, hints go out, and nobody takes it.
"""

import datetime as dt
import os
import signal
from typing import Final

import structlog

from core.db.engine import transaction
from core.jobs import progress
from core.settings import QUEUE_SETTLE, settings
from worker import hints
from worker.app import app
from worker.hooks import sessions

log: Final = structlog.get_logger(__name__)


class Watchdog:
    """Remembers since when work waits although the broker takes hints for it."""

    def __init__(self) -> None:
        """Suspect nothing yet."""
        self._since: dt.datetime | None = None

    def look(self, *, now: dt.datetime) -> None:
        """End this worker if it takes settle hints and has let work wait for `worker_stuck_seconds`, twice over."""
        if QUEUE_SETTLE not in app.amqp.queues.consume_from:
            return
        patience = dt.timedelta(seconds=settings().worker_stuck_seconds)
        with transaction(sessions()) as session:
            waiting = progress.job_that_nobody_works_on(session, now=now, for_at_least=patience)
        if waiting is None or not hints.work(waiting):  # without a broker no worker can know
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= patience:
            log.error("worker_is_stuck", job_id=waiting.job_id)
            _end()


def _end() -> None:
    """End the whole group where it is ours alone: a stuck pool process would outlive its parent."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)

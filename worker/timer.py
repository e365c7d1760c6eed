"""The main process's own sweep, tick and heartbeat, which need neither beat nor the broker."""

import datetime as dt
import logging
import threading
import time
from typing import Any, Final

from celery import bootsteps
from celery.signals import worker_shutting_down

from core.local import health_file
from core.settings import SWEEP_SECONDS, TASK_SWEEP, TASK_TICK
from worker import heartbeat
from worker.app import app
from worker.watchdog import Watchdog

RECONNECT_PAUSE_SECONDS: Final = 2

_log: Final = logging.getLogger(__name__)
_stopping: Final = threading.Event()


class Timer(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Starts the threads after the pool and before the broker connection, which may take hours."""

    requires = ("celery.worker.components:Pool",)

    def start(self, parent: Any) -> None:
        """Start the threads."""
        watchdog = Watchdog(parent.pool, _stopping)
        threading.Thread(target=_sweep_until_stopped, args=(watchdog,), name="sweep", daemon=True).start()
        heartbeat.start_heartbeat(parent.pool)


class ReconnectPause(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Waits before a consumer that lost its broker reconnects."""

    def stop(self, parent: Any) -> None:
        """Wait, unless the worker is stopping."""
        # Celery itself waits if it cannot connect. A full broker accepts the connection and refuses everything else.
        # Without a pause, the consumer would reconnect five times a second and log a line each time.
        if parent.blueprint.state == bootsteps.RUN:
            time.sleep(RECONNECT_PAUSE_SECONDS)  # not `_stopping.wait`: a signal handler in this thread sets the event


app.steps["worker"].add(Timer)
app.steps["consumer"].add(ReconnectPause)


@worker_shutting_down.connect
def stop(**_: object) -> None:
    """Start no more sweeps."""
    _stopping.set()


def _sweep_until_stopped(watchdog: Watchdog) -> None:
    health_file.touch()
    next_at = time.monotonic()
    while True:
        # Count from start to start, however long a hint hung in between, so that a scheduled run starts on time.
        next_at = max(next_at + SWEEP_SECONDS, time.monotonic())
        if _stopping.wait(next_at - time.monotonic()):
            return
        health_file.touch()
        _run_task(TASK_TICK)
        _run_task(TASK_SWEEP)
        try:
            watchdog.look(now=dt.datetime.now(dt.UTC))
        except Exception:  # noqa: BLE001  the watchdog looks again
            _log.exception("watchdog check failed; it will run again")


def _run_task(task: str) -> None:
    try:
        app.tasks[task]()
    except Exception:  # noqa: BLE001  the next sweep or tick recovers
        _log.exception("%s failed; it will run again", task)

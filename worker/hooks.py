"""What a worker process does besides its tasks: its own database connection, and a sweep and tick without beat."""

import datetime as dt
import itertools
import logging
import os
import socket
import threading
from functools import cache
from typing import Final

from celery.signals import beat_init, setup_logging, worker_process_init, worker_ready, worker_shutting_down

from core import logs, zone_database
from core.db.engine import Sessions, make_engine, make_sessions
from core.errors import BadSettings
from core.settings import SWEEP_SECONDS, TASK_SWEEP, TASK_TICK, TICK_SECONDS, settings
from worker import alive
from worker.app import app

_log: Final = logging.getLogger(__name__)
_stopping: Final = threading.Event()


@cache
def sessions() -> Sessions:
    """Sessions of this process, on one connection. Raises `BadSettings` where no database is named."""
    url = settings().database_url
    if url is None:
        raise BadSettings("SETTLE_DATABASE_URL: a worker needs it")
    return make_sessions(make_engine(url.get_secret_value(), pool_size=1))


@setup_logging.connect
def log_in_one_form(**_: object) -> None:
    """Log as every process of the product does; Celery asks whoever listens here instead of setting up its own."""
    logs.configure(settings().log_level)


@worker_ready.connect
@beat_init.connect
def log_the_time_zones(**_: object) -> None:
    """Log which time zone database this process uses."""
    zone_database.log_at_start(now=dt.datetime.now(dt.UTC))


@worker_process_init.connect
def leave_the_parents_connection(**_: object) -> None:
    """A forked process makes its own: two processes on one connection would mix their answers."""
    if sessions.cache_info().currsize:
        sessions().kw["bind"].dispose(close=False)
        sessions.cache_clear()


@worker_ready.connect
def sweep_by_timer(**_: object) -> None:
    """Sweep and tick from this worker's main process too, so that neither beat nor the broker is needed."""
    threading.Thread(target=_sweep_until_stopped, name="sweep", daemon=True).start()


@worker_shutting_down.connect
def stop_the_timer(**_: object) -> None:
    """Begin no sweep any more."""
    _stopping.set()


def _sweep_until_stopped() -> None:
    from worker.watchdog import Watchdog  # it needs this module's sessions

    watchdog = Watchdog()
    alive.touch()
    for round_ in itertools.count(1):
        if _stopping.wait(SWEEP_SECONDS):
            return
        try:
            alive.touch()
            app.tasks[TASK_SWEEP]()
            watchdog.look(now=dt.datetime.now(dt.UTC))
        except Exception:  # noqa: BLE001  whatever it was, the sweep is what recovers
            _log.exception("sweep failed; the next one follows")
        if round_ % (TICK_SECONDS // SWEEP_SECONDS) == 0:
            _tick()


def _tick() -> None:
    try:
        app.tasks[TASK_TICK]()
    except Exception:  # noqa: BLE001  a night is late, or missed and said so; never a worker without a sweep
        _log.exception("tick failed; the next one follows")


def worker_name() -> str:
    """How this process signs what it takes: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"

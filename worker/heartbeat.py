"""A worker's heartbeat and counters, and the ids in its log lines.

A line that a task logs contains the id of the request that sent the hint.
"""

import datetime as dt
import logging
import threading
from typing import Any, Final

import structlog
from celery.signals import (
    task_postrun,
    task_prerun,
    worker_process_shutdown,
    worker_shutdown,
    worker_shutting_down,
)

from core.db.engine import transaction
from core.logs import error_kind
from core.settings import REQUEST_ID_HEADER
from core.watch import heartbeat, tally
from core.watch.heartbeat import ProcessInfo
from worker import watchdog
from worker.app import app
from worker.process import sessions

_log: Final = logging.getLogger(__name__)
_stopping: Final = threading.Event()
_alive: list[ProcessInfo] = []  # this worker, once its pool exists


def start_heartbeat(pool: Any) -> None:
    """Start the thread that writes the heartbeat, including the queues and the pool's processes."""
    threading.Thread(target=_beat_until_stopped, args=(pool,), name="pulse", daemon=True).start()


@worker_shutting_down.connect
def stop_heartbeat(**_: object) -> None:
    """Stop writing heartbeats."""
    _stopping.set()


@worker_shutdown.connect
def record_stop(**_: object) -> None:
    """Record a warm shutdown. A killed worker records none."""
    for me in _alive:
        _write_heartbeat(lambda session, now, me=me: heartbeat.record_stop(session, me, now=now))


@worker_process_shutdown.connect
def flush_at_exit(**_: object) -> None:
    """Write the counts that this pool process has not written yet."""
    flush_counts()


@task_prerun.connect
def bind_log_context(task: Any, task_id: str, args: tuple[int, ...], **_: object) -> None:
    """Add the task's id, and the id of the request that sent the hint, to the task's log lines."""
    given = task.request.headers or {}
    ids = {"task_id": task_id, "task": task.name, "request_id": given.get(REQUEST_ID_HEADER)}
    hinted = {"hinted_job_id": args[1]} if len(args) > 1 else {}
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**{name: value for name, value in {**ids, **hinted}.items() if value})


@task_postrun.connect
def flush_after_task(**_: object) -> None:
    """Write the counts."""
    structlog.contextvars.clear_contextvars()
    flush_counts()


def _beat_until_stopped(pool: Any) -> None:
    started_at = dt.datetime.now(dt.UTC)
    queues = sorted(app.amqp.queues.consume_from)
    while True:
        me = heartbeat.this_process(
            heartbeat.WORKER, started_at=started_at, queues=queues, pool=watchdog.pool_pids(pool)
        )
        _alive[:] = [me]
        _write_heartbeat(lambda session, now, me=me: heartbeat.record_heartbeat(session, me, now=now))
        flush_counts()
        if _stopping.wait(heartbeat.HEARTBEAT_SECONDS):
            return


def flush_counts() -> None:
    """Write this process's counts, if the database accepts them."""
    try:
        tally.flush(sessions())
    except Exception as error:  # noqa: BLE001  retried with the next flush; a failed metric must not stop work
        _log.warning("counts not written yet: %s", error_kind(error))


def _write_heartbeat(say: Any) -> None:
    try:
        with transaction(sessions()) as session:
            say(session, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  as above
        _log.warning("heartbeat lost: %s", error_kind(error))

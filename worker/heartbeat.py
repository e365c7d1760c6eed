"""What a worker tells those who watch: that it lives and what it counted; and its lines' ids.

A line that a task writes carries the id of the request that brought the hint, from the web to the worker.
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
from core.logs import kind_of
from core.settings import HEADER_REQUEST
from core.watch import heartbeat, tally
from core.watch.heartbeat import Alive
from worker import watchdog
from worker.app import app
from worker.process import sessions

_log: Final = logging.getLogger(__name__)
_stopping: Final = threading.Event()
_alive: list[Alive] = []  # this worker, once its pool is there


def start_heartbeat(pool: Any) -> None:
    """Say from a thread of the main process that it lives, what it takes and which processes are its pool."""
    threading.Thread(target=_beat_until_stopped, args=(pool,), name="pulse", daemon=True).start()


@worker_shutting_down.connect
def stop_heartbeat(**_: object) -> None:
    """Begin no heartbeat any more."""
    _stopping.set()


@worker_shutdown.connect
def record_stop(**_: object) -> None:
    """The last word of a warm stop; one that was killed has none."""
    for me in _alive:
        _write_heartbeat(lambda session, now, me=me: heartbeat.stop(session, me, now=now))


@worker_process_shutdown.connect
def flush_at_exit(**_: object) -> None:
    """What this process of the pool has not told yet."""
    flush_counts()


@task_prerun.connect
def bind_log_context(task: Any, task_id: str, args: tuple[int, ...], **_: object) -> None:
    """Until the task ends, its lines carry its id and that of the request that hinted."""
    given = task.request.headers or {}
    ids = {"task_id": task_id, "task": task.name, "request_id": given.get(HEADER_REQUEST)}
    hinted = {"hinted_job_id": args[1]} if len(args) > 1 else {}
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**{name: value for name, value in {**ids, **hinted}.items() if value})


@task_postrun.connect
def flush_after_task(**_: object) -> None:
    """Tell what was counted."""
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
        _write_heartbeat(lambda session, now, me=me: heartbeat.beat(session, me, now=now))
        flush_counts()
        if _stopping.wait(heartbeat.HEARTBEAT_SECONDS):
            return


def flush_counts() -> None:
    """Tell what this process counted, if the database takes it."""
    try:
        tally.flush(sessions())
    except Exception as error:  # noqa: BLE001  it is told with the next one; nothing that is watched may stop what works
        _log.warning("counts are not told yet: %s", kind_of(error))


def _write_heartbeat(say: Any) -> None:
    try:
        with transaction(sessions()) as session:
            say(session, dt.datetime.now(dt.UTC))
    except Exception as error:  # noqa: BLE001  as above
        _log.warning("heartbeat lost: %s", kind_of(error))

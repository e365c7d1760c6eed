"""Hints that a worker sends. Each may be lost, duplicated or late without harm."""

import logging
import time
from typing import Final

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from core.broker import causes
from core.jobs.execution.sweep import WorkFound
from core.jobs.keys import JobKey
from core.settings import (
    HINT_EXPIRES_SECONDS,
    REQUEST_ID_HEADER,
    TASK_IMPORT,
    TASK_PREPARE,
    TASK_SEND,
    TASK_TICK,
    TASK_WORK,
    queue_length_max,
)
from core.watch import tally
from worker.app import app

BACKOFF_SECONDS: Final = 30  # after a lost hint, because waiting for a broker takes time that sweep and tick need

_backoff_until: Final = [float("-inf")]
_log: Final = logging.getLogger(__name__)


def send_work(key: JobKey, *, count: int = 1) -> bool:
    """Send `count` hints that this job has free chunks. Return whether the broker accepted all of them."""
    return all(_send(TASK_WORK, key) for _ in range(count))


def send_found_work(found: WorkFound) -> None:
    """Send hints for what the sweep or the tick found."""
    for key, chunks in found.work:
        send_work(key, count=chunks)
    for key in found.prepare:
        _send(TASK_PREPARE, key)


def send_after_tick(*, messages: bool, tick: bool, folders: bool) -> None:
    """Send hints for messages to send, for another tick, and for a look into a watched folder."""
    for task, is_wanted in ((TASK_SEND, messages), (TASK_TICK, tick), (TASK_IMPORT, folders)):
        if is_wanted:
            _send(task)


def queue_has_enough(task: str) -> bool:
    """Return whether the task's queue is so long that another message would be useless."""
    queue = app.amqp.router.route({}, task)["queue"].name
    with app.producer_or_acquire() as producer:
        return bool(producer.channel.queue_declare(queue).message_count >= queue_length_max(task))


def _send(task: str, key: JobKey | None = None) -> bool:
    args = tuple(key or ())
    if time.monotonic() < _backoff_until[0]:
        return _count_lost(task)
    try:
        if queue_has_enough(task):
            return True
        app.send_task(task, args=args, expires=HINT_EXPIRES_SECONDS, retry=False, headers=_request_headers())
    except (OperationalError, RedisError) as error:
        _backoff_until[0] = time.monotonic() + BACKOFF_SECONDS
        why = causes.diagnose(error).sentence
        _log.warning("hint dropped; a worker will find the work without it: %s%s %s", task, args, why)
        return _count_lost(task)
    tally.count("hints_sent", task)
    return True


def _count_lost(task: str) -> bool:
    tally.count("hints_lost", task)
    return False


def _request_headers() -> dict[str, str]:
    """Return the id of the request that caused this task, if any, to pass it on with the hint."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {REQUEST_ID_HEADER: request_id} if request_id else {}

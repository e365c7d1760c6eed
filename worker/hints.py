"""Hints that a worker sends: each may be lost, doubled or late without harm."""

import logging
from typing import Final

from kombu.exceptions import OperationalError

from core.jobs.keys import JobKey
from core.settings import HINT_EXPIRES_SECONDS, TASK_PREPARE, TASK_WORK
from worker.app import app

_log: Final = logging.getLogger(__name__)


def work(key: JobKey, *, count: int = 1) -> bool:
    """Say `count` times that this job has free chunks; tell whether the broker took it each time."""
    return all(_send(TASK_WORK, key) for _ in range(count))


def prepare(key: JobKey) -> None:
    """Say that this job waits for its preview."""
    _send(TASK_PREPARE, key)


def _send(task: str, key: JobKey) -> bool:
    try:
        app.send_task(task, args=tuple(key), expires=HINT_EXPIRES_SECONDS, retry=False)
    except OperationalError:
        _log.warning("hint dropped, the sweep will see to it: %s%s", task, tuple(key))
        return False
    return True

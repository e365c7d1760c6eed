"""Whose turn it is in a pool process: a task's, or that of the process's own look for work.

A process has one connection to the database, so it does one act at a time. Tasks go first.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

POLL_SECONDS: Final = 0.5  # a CONFIRM by command starts within it; three short statements a look cost next to nothing

_turn: Final = threading.Lock()
_tasks: Final[list[float]] = []  # when each task that waits or works came
_last_task_ended: Final = [float("-inf")]


@contextmanager
def task_turn() -> Iterator[None]:
    """Wait until the process's own act is done, then let this task act alone."""
    _tasks.append(time.monotonic())
    try:
        with _turn:
            yield
    finally:
        _tasks.pop()
        _last_task_ended[0] = time.monotonic()


@contextmanager
def try_polling_turn() -> Iterator[bool]:
    """Take the turn if no task wants it or had it a moment ago; give whether it was taken."""
    # A task that settled for a second hints for the next second: while such hints come back, they are enough.
    is_mine = not _tasks and time.monotonic() - _last_task_ended[0] >= POLL_SECONDS and _turn.acquire(blocking=False)
    try:
        yield is_mine
    finally:
        if is_mine:
            _turn.release()

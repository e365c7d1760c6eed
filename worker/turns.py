"""Turns in a pool process: either a task runs, or the process polls.

A process has one database connection, so it does one thing at a time. Tasks go first.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

POLL_SECONDS: Final = 0.5  # a job whose hint is lost starts within this time; a poll is four short statements

_turn: Final = threading.Lock()
_tasks: Final[list[float]] = []  # arrival of each waiting or running task
_last_task_ended: Final = [float("-inf")]


@contextmanager
def task_turn() -> Iterator[None]:
    """Wait for the current poll to finish, then run this task alone."""
    _tasks.append(time.monotonic())
    try:
        with _turn:
            yield
    finally:
        _tasks.pop()
        _last_task_ended[0] = time.monotonic()


@contextmanager
def lend_task_turn() -> Iterator[None]:
    """Let the process poll while this task waits for another server."""
    _tasks.pop()
    _turn.release()
    try:
        yield
    finally:
        _tasks.append(time.monotonic())
        _turn.acquire()


@contextmanager
def lend_polling_turn() -> Iterator[None]:
    """Let tasks run while this poll waits for another server."""
    _turn.release()
    try:
        yield
    finally:
        _turn.acquire()


@contextmanager
def try_polling_turn() -> Iterator[bool]:
    """Take the turn unless a task wants it or had it a moment ago. Yield whether the poll took it."""
    # A settling task works for one second, then sends a hint that starts the next one. As long as these hints keep
    # arriving, polling is not needed.
    is_mine = not _tasks and time.monotonic() - _last_task_ended[0] >= POLL_SECONDS and _turn.acquire(blocking=False)
    try:
        yield is_mine
    finally:
        if is_mine:
            _turn.release()

"""One import at a time in each worker, so that its other processes can settle jobs."""

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# Opened before the pool forks. The kernel releases the lock of a process that dies.
_lock_file: Final = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the worker lives


@contextmanager
def try_import_turn() -> Iterator[bool]:
    """Take the turn unless another process of this worker has it. Yield whether this process took it."""
    is_mine = _try_lock()
    try:
        yield is_mine
    finally:
        if is_mine:
            fcntl.lockf(_lock_file, fcntl.LOCK_UN)


def is_importing() -> bool:
    """Return whether another process of this worker is importing."""
    if not _try_lock():
        return True
    fcntl.lockf(_lock_file, fcntl.LOCK_UN)
    return False


def _try_lock() -> bool:
    try:
        fcntl.lockf(_lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

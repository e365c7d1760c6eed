"""What stops the work on a watched folder, in words for `settle folder list`. Each look tries again."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from core.errors import Refusal
from core.models.watched_folders import WatchedFolder

_PROBLEMS: Final = {
    errno.ENOENT: "The folder does not exist.",
    errno.ENOTDIR: "This is not a folder, or it is a symbolic link.",
    errno.ELOOP: "This is not a folder, or it is a symbolic link.",
    errno.EACCES: "The workers may not read and change this folder.",
    errno.EPERM: "The workers may not read and change this folder.",
    errno.EROFS: "The workers may not read and change this folder.",
    errno.ENOSPC: "The disk is full.",
    errno.EDQUOT: "The disk is full.",
}


@contextmanager
def recorded(folder: WatchedFolder) -> Iterator[None]:
    """Record what stops the work in the block, and continue after it."""
    try:
        yield
    except OSError as error:
        number = error.errno or 0
        folder.problem = _PROBLEMS.get(number, f"The folder cannot be used ({errno.errorcode.get(number, 'error')}).")
    except Refusal as refusal:
        folder.problem = refusal.message

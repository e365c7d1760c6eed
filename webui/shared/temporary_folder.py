"""A temporary folder for an uploaded file that is read during its request."""

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

from core.errors import Refusal


class ServerDiskFull(Refusal):
    """The server's disk is full. Ask the person who runs your server to free space on it, then try again."""

    http_status: ClassVar[HTTPStatus] = HTTPStatus.INSUFFICIENT_STORAGE


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder that is deleted at the end. Raise `ServerDiskFull`."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ServerDiskFull from error
        raise

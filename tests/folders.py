"""Folders for servers that a test starts."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """Create an empty folder and remove it at the end.

    Unlike pytest's own folders, it lets PostgreSQL's account in when root runs the tests.
    """
    with tempfile.TemporaryDirectory(prefix="settle-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder

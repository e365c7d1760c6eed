"""Folders for servers that a test starts."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make an empty folder that root's PostgreSQL may enter too, unlike pytest's own. Remove it at the end."""
    with tempfile.TemporaryDirectory(prefix="settle-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder

"""A private folder and a guardian for servers that a test starts itself."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.local.guardian import Guardian


@contextmanager
def open_folder() -> Iterator[Path]:
    """An empty folder that root's PostgreSQL may enter too, unlike pytest's own; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="settle-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    """One that ends what the test leaves."""
    with Guardian() as guardian:
        yield guardian

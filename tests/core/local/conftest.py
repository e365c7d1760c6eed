"""A private folder and a guardian for servers that a test starts itself."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.local.guardian import Guardian

READY_SECONDS = 180  # eight programs on two cores that others use too


def environment(data_dir: Path) -> dict[str, str]:
    """Return the caller's environment without any server of the caller's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SETTLE_")}
    return {**kept, "SETTLE_DATA_DIR": str(data_dir)}


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

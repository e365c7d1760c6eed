"""A private folder and a guardian for servers that a test starts."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.local.guardian import Guardian

READY_SECONDS = 180  # eight programs on two shared cores


def environment(data_dir: Path) -> dict[str, str]:
    """Return the caller's environment without its server addresses, and a sign-in of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SETTLE_")}
    return {**inherited, "SETTLE_DATA_DIR": str(data_dir), "XDG_CONFIG_HOME": str(data_dir.parent / "config")}


@contextmanager
def open_folder() -> Iterator[Path]:
    """Make an empty folder that root's PostgreSQL may enter too, unlike pytest's own. Remove it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="settle-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for this test alone."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    """A guardian that ends every process the test leaves."""
    with Guardian() as guardian:
        yield guardian

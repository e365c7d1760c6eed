"""A private folder and a guardian for servers that a test starts itself."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.local.guardian import Guardian


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that root's PostgreSQL may enter too, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="settle-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def guardian() -> Iterator[Guardian]:
    """One that ends what the test leaves."""
    with Guardian() as guardian:
        yield guardian

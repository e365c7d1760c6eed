"""A private folder and a guardian for servers that a test starts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.local.guardian import Guardian
from tests.folders import open_folder

READY_SECONDS = 180  # eight programs on two shared cores


def environment(data_dir: Path) -> dict[str, str]:
    """Return the caller's environment without its server addresses, and a sign-in of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SETTLE_")}
    return {**inherited, "SETTLE_DATA_DIR": str(data_dir), "XDG_CONFIG_HOME": str(data_dir.parent / "config")}


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

"""Imports into the practice of a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import GivenPractice
from tests.uploads import Uploads, uploads_of


@pytest.fixture
def uploads(practice: GivenPractice, tmp_path: Path) -> Iterator[Uploads]:
    """Imports into the practice."""
    with uploads_of(practice, tmp_path / "template") as uploads:
        yield uploads

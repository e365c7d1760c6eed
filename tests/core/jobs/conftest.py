"""A practice for the tests of jobs."""

import os

import pytest

from core.db.engine import Sessions
from tests.factories import GivenPractice, a_practice


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """A practice that writes off both balances."""
    return a_practice(sessions)


@pytest.fixture
def rounds() -> int:
    """Return how often a race runs: enough to detect a bug, more with SETTLE_SOAK_ROUNDS."""
    return int(os.environ.get("SETTLE_SOAK_ROUNDS", "40"))

"""A practice for the tests of the books."""

import pytest

from core.db.engine import Sessions
from tests.factories import GivenPractice, a_practice


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """A practice that writes off both balances."""
    return a_practice(sessions)

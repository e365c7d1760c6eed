"""A practice for the tests of core, and users of it."""

import pytest

from core.access.permissions import Actor
from core.db.engine import Sessions
from core.enums.people import Role
from tests import repeats
from tests.factories import GivenPractice, a_practice


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """A practice that writes off both balances."""
    return a_practice(sessions)


@pytest.fixture
def admin(practice: GivenPractice) -> Actor:
    """An administrator of the practice."""
    return practice.person("admin@lakeside.example", Role.ADMIN)


@pytest.fixture
def approver(practice: GivenPractice) -> Actor:
    """An approver of the practice."""
    return practice.person("approver@lakeside.example", Role.APPROVER)


@pytest.fixture
def rounds() -> int:
    """Return how often a race runs: enough to detect a bug, more with SETTLE_SOAK_ROUNDS."""
    return repeats.rounds(16)

"""A practice for the tests of the feed."""

import pytest
from sqlalchemy import insert

from core.db.engine import Sessions, transaction
from core.models.practices import Patient
from tests.factories import GivenPractice, a_practice


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """A practice that writes off both balances."""
    return a_practice(sessions)


def a_patient(practice: GivenPractice, name: str) -> int:
    """Add a patient named `name`."""
    with transaction(practice.sessions) as session:
        new = insert(Patient).values(practice_id=practice.id, external_id=f"P-{name}", name=name)
        return session.scalars(new.returning(Patient.id)).one()

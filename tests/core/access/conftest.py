"""A practice with one biller."""

import datetime as dt

import pytest
from sqlalchemy.orm import Session

from core.access import users
from core.enums.people import Role
from core.models.people import AuditEntry, User
from core.practices.create import create_practice

NOW = dt.datetime(2025, 3, 3, 15, 0, tzinfo=dt.UTC)
PASSWORD = "correct horse battery"


@pytest.fixture
def practice_id(session: Session) -> int:
    """An empty practice."""
    return create_practice(session, name="Hill Clinic", now=NOW)


@pytest.fixture
def biller(session: Session, practice_id: int) -> User:
    """Ann, who signs in with PASSWORD."""
    return users.add_user(
        session,
        practice_id=practice_id,
        email="Ann@Example.org",
        name="Ann",
        role=Role.BILLER,
        password=PASSWORD,
        now=NOW,
    )


def acts(session: Session) -> list[str]:
    """Return the acts in the audit, in order."""
    return [entry.act for entry in session.query(AuditEntry).order_by(AuditEntry.id)]

"""A test hint: a worker stamps a row, which proves that web, broker, worker and database can reach each other."""

import datetime as dt

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core.models.operations import Canary


def insert_canary(session: Session, *, now: dt.datetime) -> int:
    """Insert a row to be stamped. Return its id."""
    return session.scalars(insert(Canary).values(asked_at=now).returning(Canary.id)).one()


def stamp(session: Session, canary_id: int, *, by: str, now: dt.datetime) -> None:
    """Stamp the row once. An unknown id changes nothing."""
    unstamped = update(Canary).where(Canary.id == canary_id, Canary.stamped_at.is_(None))
    session.execute(unstamped.values(stamped_at=now, stamped_by=by))


def is_stamped(session: Session, canary_id: int) -> bool:
    """Return whether a worker has stamped the row."""
    return session.scalar(select(Canary.stamped_at).where(Canary.id == canary_id)) is not None

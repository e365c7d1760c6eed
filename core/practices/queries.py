"""Reading a practice."""

from sqlalchemy.orm import Session

from core.errors import NotFound
from core.practices.models import Practice


def find(session: Session, practice_id: int) -> Practice:
    """The practice; raises `NotFound`."""
    practice = session.get(Practice, practice_id)
    if practice is None:
        raise NotFound
    return practice

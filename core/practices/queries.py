"""Finding a practice, and what belongs to it."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.practices.models import Payer, Practice


def find(session: Session, practice_id: int) -> Practice:
    """The practice; raises `NotFound`."""
    practice = session.get(Practice, practice_id)
    if practice is None:
        raise NotFound
    return practice


def locked(session: Session, practice_id: int) -> Practice:
    """The practice as it is, locked until the commit: waits for what is previewed by its settings, and holds others up.

    Raises `NotFound`.
    """
    found = select(Practice).where(Practice.id == practice_id).with_for_update(key_share=True)
    practice = session.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if practice is None:
        raise NotFound
    return practice


def payers(session: Session, practice_id: int) -> list[tuple[str, str]]:
    """The practice's own number and the name of each payer, by name."""
    found = select(Payer.external_id, Payer.name).where(Payer.practice_id == practice_id)
    return [(row.external_id, row.name) for row in session.execute(found.order_by(Payer.name, Payer.id))]

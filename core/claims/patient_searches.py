"""Tokens that stand for parts of patients' names in addresses, so that no log or browser history contains a name."""

import datetime as dt
import secrets
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.models.feed_views import PatientSearch

KEPT_DAYS: Final = 90  # since the name was last entered; an older link no longer works
_TOKEN_BYTES: Final = 9


def token_of(session: Session, practice_id: int, name: str, *, now: dt.datetime) -> str:
    """Return the practice's token for a part of a name. The same text keeps its token, so that a link stays valid."""
    old = PatientSearch.searched_at < now - dt.timedelta(days=KEPT_DAYS)
    session.execute(delete(PatientSearch).where(PatientSearch.practice_id == practice_id, old))
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    new = insert(PatientSearch).values(practice_id=practice_id, token=token, name=name, searched_at=now)
    again = new.on_conflict_do_update(constraint="patient_search_has_one_token", set_={"searched_at": now})
    return session.scalars(again.returning(PatientSearch.token)).one()


def name_of(session: Session, practice_id: int, token: str) -> str | None:
    """Return the text that a token of this practice stands for, or None if there is none."""
    return session.scalar(
        select(PatientSearch.name).where(PatientSearch.practice_id == practice_id, PatientSearch.token == token)
    )

"""Tokens that stand for parts of patients' names in addresses, so that no log or browser history contains a name."""

import datetime as dt
import secrets
from typing import Final

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.models.feed_views import PatientSearch

KEPT_DAYS: Final = 90  # since the name or its key was last used; an older link no longer works
RENEWED_AFTER: Final = dt.timedelta(days=1)  # so that reading a page rarely writes
_TOKEN_BYTES: Final = 9


def token_of(session: Session, practice_id: int, name: str, *, now: dt.datetime) -> str:
    """Return the practice's token for a part of a name. The same text keeps its token, so that a link stays valid."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    new = insert(PatientSearch).values(practice_id=practice_id, token=token, name=name, searched_at=now)
    again = new.on_conflict_do_update(constraint="patient_search_has_one_token", set_={"searched_at": now})
    return session.scalars(again.returning(PatientSearch.token)).one()


def name_of(session: Session, practice_id: int, token: str, *, now: dt.datetime) -> str | None:
    """Return the text that a token of this practice stands for, or None if there is none. Using it renews it."""
    found = session.scalars(
        select(PatientSearch).where(
            PatientSearch.practice_id == practice_id,
            PatientSearch.token == token,
            PatientSearch.searched_at >= _kept(now),
        )
    ).one_or_none()
    if found is None:
        return None
    if found.searched_at < now - RENEWED_AFTER:
        mine = (PatientSearch.practice_id == practice_id, PatientSearch.token == token)
        session.execute(update(PatientSearch).where(*mine).values(searched_at=now))
    return found.name


def tidy(session: Session, *, now: dt.datetime) -> None:
    """Delete the tokens that were not used for a long time."""
    session.execute(text("SELECT forget_patient_searches(:before)"), {"before": _kept(now)})


def _kept(now: dt.datetime) -> dt.datetime:
    return now - dt.timedelta(days=KEPT_DAYS)

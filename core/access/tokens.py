"""API tokens. Each acts as its user, is shown once and stored as a hash."""

import datetime as dt
from typing import Final

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Actor
from core.access.token_hash import TOUCH_SECONDS, hash_token, make_token
from core.access.users import actor_for
from core.errors import NotFound
from core.models.people import ApiToken, User

TOKEN_PREFIX: Final = "settle_"  # noqa: S105 – so that a token found in a file or log is recognized


class NoSuchToken(NotFound):
    """This token does not exist or was already revoked. To see a user's tokens, run `settle token list EMAIL`."""


def add_token(session: Session, user: User, now: dt.datetime, *, by: int | None = None) -> str:
    """Create a token for `user` and return it. It cannot be shown again."""
    token = make_token(TOKEN_PREFIX)
    token_id = session.scalars(
        insert(ApiToken).values(user_id=user.id, token_hash=hash_token(token), created_at=now).returning(ApiToken.id)
    ).one()
    _record(session, "token.added", token_id, user, by, now)
    return token


def find_actor_by_token(session: Session, token: str, now: dt.datetime) -> Actor | None:
    """Return the user that the token acts for, or None if it is unknown or revoked or its user is inactive."""
    found = session.execute(
        select(User, ApiToken)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.token_hash == hash_token(token), ApiToken.revoked_at.is_(None), User.active)
    ).one_or_none()
    if found is None:
        return None
    user, kept = found
    if kept.used_at is None or now - kept.used_at >= dt.timedelta(seconds=TOUCH_SECONDS):
        session.execute(update(ApiToken).where(ApiToken.id == kept.id).values(used_at=now))
    return actor_for(user)


def list_tokens(session: Session, user: User) -> list[ApiToken]:
    """Return the tokens of `user`, newest first, without the secrets."""
    return list(session.scalars(select(ApiToken).where(ApiToken.user_id == user.id).order_by(ApiToken.id.desc())))


def revoke(session: Session, token: str, now: dt.datetime, *, by: int | None = None) -> int:
    """Revoke the token and return its number. Raise `NoSuchToken`."""
    return _revoke(session, ApiToken.token_hash == hash_token(token), by, now)


def revoke_by_id(session: Session, number: int, now: dt.datetime, *, by: int | None = None) -> int:
    """Revoke a token by its number. Raise `NoSuchToken`."""
    return _revoke(session, ApiToken.id == number, by, now)


def _revoke(session: Session, which: ColumnElement[bool], by: int | None, now: dt.datetime) -> int:
    open_ = update(ApiToken).where(which, ApiToken.revoked_at.is_(None)).values(revoked_at=now)
    revoked = session.execute(open_.returning(ApiToken.id, ApiToken.user_id)).one_or_none()
    if revoked is None:
        raise NoSuchToken
    user = session.scalars(select(User).where(User.id == revoked.user_id)).one()
    _record(session, "token.revoked", revoked.id, user, by, now)
    token_id: int = revoked.id
    return token_id


def _record(session: Session, act: str, token_id: int, user: User, by: int | None, now: dt.datetime) -> None:
    subject = Subject.of("token", token_id, practice_id=user.practice_id)
    audit.record(session, act, subject, by=by, now=now, user_id=user.id)

"""API tokens. Each acts as its user, within its scopes, until it expires. It is shown once and stored as a hash."""

import datetime as dt
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from core.access import audit, own_practice
from core.access.audit import Subject
from core.access.permissions import ALL_SCOPES, Actor, Scope
from core.access.token_hash import TOUCH_SECONDS, hash_token, make_token
from core.access.users import actor_for
from core.errors import BadInput, NotFound, or_raise
from core.models.people import ApiToken, User
from core.reading import checked_name

TOKEN_PREFIX: Final = "settle_"  # noqa: S105 – so that a token found in a file or log is recognized
LOGIN_NAME: Final = "settle login"
DAYS_DEFAULT: Final = 90
DAYS_MAX: Final = 365
NAME_CHARACTERS_MAX: Final = 60


class NoSuchToken(NotFound):
    """This token does not exist or was already revoked. To see a user's tokens, run `settle token list EMAIL`."""


class BadTokenName(BadInput):
    """Enter a name of 1 to 60 characters, such as the program that uses the token."""


class BadTokenScopes(BadInput):
    """Choose what the token may do."""


class BadTokenDays(BadInput):
    """Enter a number of days from 1 to 365."""


def add_token(
    session: Session,
    user: User,
    now: dt.datetime,
    *,
    by: int | None = None,
    name: str = "",
    scopes: Collection[Scope] = ALL_SCOPES,
    days: int = DAYS_DEFAULT,
) -> str:
    """Create a token for `user` and return it. It cannot be shown again. Raise `BadTokenDays`."""
    if not 1 <= days <= DAYS_MAX:
        raise BadTokenDays
    token = make_token(TOKEN_PREFIX)
    kept = ApiToken(
        user_id=user.id, token_hash=hash_token(token), created_at=now, expires_at=now + dt.timedelta(days=days),
        name=name, scopes=[scope.value for scope in Scope if scope in scopes],
    )  # fmt: skip
    session.add(kept)
    session.flush()
    subject = Subject.of("token", kept.id, practice_id=user.practice_id)
    audit.record(session, "token.added", subject, by=by, now=now, user_id=user.id, scopes=kept.scopes, days=days)
    return token


def add_own(session: Session, *, name: str, scopes: Collection[Scope], days: int, by: Actor, now: dt.datetime) -> str:
    """Create a token of the user's own, and return it.

    Raise `BadTokenName`, `BadTokenScopes`, `BadTokenDays` and `VerificationNeeded`.
    """
    name = checked_name(name.strip(), BadTokenName, most=NAME_CHARACTERS_MAX)
    if not scopes:
        raise BadTokenScopes
    by.require_verified()  # last, so that a form is asked for a code only when the rest is right
    user = session.get_one(User, by.user_id)
    return add_token(session, user, now, by=by.user_id, name=name, scopes=scopes, days=days)


def find_actor_by_token(session: Session, token: str, now: dt.datetime) -> Actor | None:
    """Return the user that the token acts for, or None if it is unknown, revoked or expired or its user is inactive."""
    if not own_practice.enter(session, "token", hash_token(token)):
        return None
    found = session.execute(
        select(User, ApiToken)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.token_hash == hash_token(token), *is_open(now), User.active)
    ).one_or_none()
    if found is None:
        return None
    user, kept = found
    if kept.used_at is None or now - kept.used_at >= dt.timedelta(seconds=TOUCH_SECONDS):
        session.execute(update(ApiToken).where(ApiToken.id == kept.id).values(used_at=now))
    return replace(actor_for(user), scopes=frozenset(scope for scope in Scope if scope in kept.scopes))


def is_open(now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    """Return, as SQL, whether a token is neither revoked nor expired."""
    return ApiToken.revoked_at.is_(None), or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > now)


def list_tokens(session: Session, user: User) -> list[ApiToken]:
    """Return the tokens of `user`, newest first, without the secrets."""
    return list(session.scalars(select(ApiToken).where(ApiToken.user_id == user.id).order_by(ApiToken.id.desc())))


def list_own(session: Session, by: Actor, now: dt.datetime) -> list[ApiToken]:
    """Return the user's own tokens that still work, newest first."""
    own = select(ApiToken).where(ApiToken.user_id == by.user_id, *is_open(now))
    return list(session.scalars(own.order_by(ApiToken.id.desc())))


def revoke(session: Session, token: str, now: dt.datetime, *, by: int | None = None) -> int:
    """Revoke the token and return its number. Raise `NoSuchToken`."""
    return _revoke(session, [ApiToken.token_hash == hash_token(token)], by, now)


def revoke_by_id(session: Session, number: int, now: dt.datetime, *, by: int | None = None) -> int:
    """Revoke a token by its number. Raise `NoSuchToken`."""
    return _revoke(session, [ApiToken.id == number], by, now)


def revoke_own(session: Session, number: int, *, by: Actor, now: dt.datetime) -> None:
    """Revoke a token of the user's own. Raise `NoSuchToken`."""
    _revoke(session, [ApiToken.id == number, ApiToken.user_id == by.user_id], by.user_id, now)


def revoke_all(session: Session, user_id: int, now: dt.datetime, *, but: str | None = None) -> int:
    """Revoke the user's tokens, except the one given as `but`. Return how many worked. The caller records the act."""
    others = [ApiToken.token_hash != hash_token(but)] if but else []
    of_user = update(ApiToken).where(ApiToken.user_id == user_id, *is_open(now), *others)
    return len(session.scalars(of_user.values(revoked_at=now).returning(ApiToken.id)).all())


def count_open(session: Session, user_id: int, now: dt.datetime) -> int:
    """Return how many of the user's tokens work."""
    of_user = select(func.count()).select_from(ApiToken).where(ApiToken.user_id == user_id, *is_open(now))
    return session.scalars(of_user).one()


def _revoke(session: Session, which: list[ColumnElement[bool]], by: int | None, now: dt.datetime) -> int:
    open_ = update(ApiToken).where(*which, ApiToken.revoked_at.is_(None)).values(revoked_at=now)
    revoked = or_raise(session.execute(open_.returning(ApiToken.id, ApiToken.user_id)).one_or_none(), NoSuchToken)
    user = session.scalars(select(User).where(User.id == revoked.user_id)).one()
    subject = Subject.of("token", revoked.id, practice_id=user.practice_id)
    audit.record(session, "token.revoked", subject, by=by, now=now, user_id=user.id)
    token_id: int = revoked.id
    return token_id

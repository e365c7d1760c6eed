"""Keys to the HTTP API: each acts as its user, is shown once and kept as a hash."""

import datetime as dt
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.models import ApiToken, User
from core.access.opaque import TOUCH_SECONDS, hash_of, make_token
from core.access.permissions import Actor
from core.access.users import actor_for

TOKEN_PREFIX: Final = "settle_"  # noqa: S105 – so that whoever finds one in a file or a log knows what it opens


def add_token(session: Session, user: User, now: dt.datetime, *, by: int | None = None) -> str:
    """Make a token for `user`; this is the only time that anybody sees it."""
    token = make_token(TOKEN_PREFIX)
    token_id = session.scalars(
        insert(ApiToken).values(user_id=user.id, token_hash=hash_of(token), created_at=now).returning(ApiToken.id)
    ).one()
    _record(session, "token.added", token_id, user, by, now)
    return token


def actor_of_token(session: Session, token: str, now: dt.datetime) -> Actor | None:
    """On whose behalf the token acts; None where it is unknown or revoked, or its user is no longer active."""
    found = session.execute(
        select(User, ApiToken)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.token_hash == hash_of(token), ApiToken.revoked_at.is_(None), User.active)
    ).one_or_none()
    if found is None:
        return None
    user, kept = found
    if kept.used_at is None or now - kept.used_at >= dt.timedelta(seconds=TOUCH_SECONDS):
        session.execute(update(ApiToken).where(ApiToken.id == kept.id).values(used_at=now))
    return actor_for(user)


def revoke(session: Session, token: str, now: dt.datetime, *, by: int | None = None) -> bool:
    """Make the token open nothing from now on; tell whether this call did it."""
    revoked = session.execute(
        update(ApiToken)
        .where(ApiToken.token_hash == hash_of(token), ApiToken.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(ApiToken.id, ApiToken.user_id)
    ).one_or_none()
    if revoked is None:
        return False
    user = session.scalars(select(User).where(User.id == revoked.user_id)).one()
    _record(session, "token.revoked", revoked.id, user, by, now)
    return True


def _record(session: Session, act: str, token_id: int, user: User, by: int | None, now: dt.datetime) -> None:
    audit.record(
        session,
        act,
        practice_id=user.practice_id,
        subject=f"token:{token_id}",
        by=by,
        now=now,
        user_id=user.id,
    )

"""Signed-in browsers. The cookie holds a token; the database holds its hash and when it was last seen."""

import datetime as dt
from typing import Final

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Actor
from core.access.token_hash import TOUCH_SECONDS, hash_token, make_token
from core.access.users import actor_for
from core.models.people import User, UserSession

INACTIVE_DAYS_MAX: Final = 30  # for browsers closed without signing out; longer than any idle time-out


def start(session: Session, actor: Actor, now: dt.datetime) -> str:
    """Start a session for a user who has just signed in. Return the token for the cookie."""
    forgotten = now - dt.timedelta(days=INACTIVE_DAYS_MAX)
    session.execute(delete(UserSession).where(UserSession.user_id == actor.user_id, UserSession.seen_at < forgotten))
    token = make_token()
    session.execute(
        insert(UserSession).values(token_hash=hash_token(token), user_id=actor.user_id, created_at=now, seen_at=now)
    )
    return token


def find_actor(
    session: Session, token: str, now: dt.datetime, idle_minutes: int, *, touch: bool = True
) -> Actor | None:
    """Return the user of the session, or None if it ended, was idle too long, or its user is inactive.

    `touch` keeps the session alive.
    """
    found = session.execute(
        select(User, UserSession.seen_at)
        .join(UserSession, UserSession.user_id == User.id)
        .where(
            UserSession.token_hash == hash_token(token),
            UserSession.seen_at > now - dt.timedelta(minutes=idle_minutes),
            User.active,
        )
    ).one_or_none()
    if found is None:
        return None
    user, seen_at = found
    if touch and now - seen_at >= dt.timedelta(seconds=TOUCH_SECONDS):
        session.execute(update(UserSession).where(UserSession.token_hash == hash_token(token)).values(seen_at=now))
    return actor_for(user)


def end(session: Session, token: str, now: dt.datetime) -> None:
    """Sign out. Do nothing if the session already ended."""
    user_id = session.scalar(
        delete(UserSession).where(UserSession.token_hash == hash_token(token)).returning(UserSession.user_id)
    )
    if user_id is None:
        return
    audit.record(session, "user.signed_out", session.get_one(User, user_id), by=user_id, now=now)


def end_all(session: Session, user_id: int, *, but: str | None = None) -> int:
    """End the user's sessions, except the one with this token. Return how many ended."""
    others = [] if but is None else [UserSession.token_hash != hash_token(but)]
    ended = delete(UserSession).where(UserSession.user_id == user_id, *others).returning(UserSession.token_hash)
    return len(session.scalars(ended).all())

"""Signed-in browsers. The cookie holds a token; the database holds its hash and when it was last seen and verified."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, delete, false, func, insert, select, update
from sqlalchemy.orm import Session

from core.access import audit, own_practice, second_factor
from core.access.permissions import Actor
from core.access.token_hash import TOUCH_SECONDS, hash_token, make_token
from core.access.users import actor_for
from core.db import scope
from core.errors import NotFound
from core.models.people import Passkey, SecondFactor, User, UserSession
from core.models.practices import Practice

VERIFIED_FOR: Final = dt.timedelta(minutes=5)
INACTIVE_DAYS_MAX: Final = 30  # for browsers closed without signing out; longer than any idle time-out


class NoSuchSession(NotFound):
    """This session does not exist or has already ended."""


class SessionLife(NamedTuple):
    """How long a session lasts: without a click, and in all."""

    idle_minutes: int = 30
    hours: int = 12

    def is_open(self, now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
        """Return, as SQL, whether a session is still open."""
        return (
            UserSession.seen_at > now - dt.timedelta(minutes=self.idle_minutes),
            UserSession.created_at > now - dt.timedelta(hours=self.hours),
        )


def start(
    session: Session,
    actor: Actor,
    now: dt.datetime,
    *,
    browser: str = "",
    address: str = "",
    replaces: str | None = None,
    identity_factor: bool | None = None,
    id_token: str | None = None,
    verified_at: dt.datetime | None = None,
) -> str:
    """Start a session for a user who has just signed in. Return the token for the cookie.

    `browser` and `address` are what the user's list of sessions shows. `replaces` is the token of the browser's earlier
    session, which ends. `identity_factor` is not None after a sign-in through the identity provider, and `verified_at`
    is when the user gave something there. Without it, that was now.
    """
    if replaces is not None:
        end(session, replaces, now)
        scope.set_practice(session, actor.practice_id)  # that session may be of a user of another practice
    forgotten = now - dt.timedelta(days=INACTIVE_DAYS_MAX)
    session.execute(delete(UserSession).where(UserSession.user_id == actor.user_id, UserSession.seen_at < forgotten))
    token = make_token()
    session.execute(
        insert(UserSession).values(
            token_hash=hash_token(token), user_id=actor.user_id, created_at=now, seen_at=now,
            verified_at=verified_at or now,
            browser=browser, address=address, identity_factor=identity_factor, id_token=id_token,
        )
    )  # fmt: skip
    return token


def find_actor(
    session: Session, token: str, now: dt.datetime, life: SessionLife, *, touch: bool = True
) -> Actor | None:
    """Return the user of the session, or None if it ended or expired, or its user is inactive.

    `touch` keeps the session from being idle.
    """
    if not own_practice.enter(session, "session", hash_token(token)):
        return None
    found = session.execute(
        select(
            User,
            UserSession.seen_at,
            UserSession.identity_factor,
            func.coalesce(UserSession.verified_at > now - VERIFIED_FOR, false()),
            SecondFactor.secret.is_not(None),
            select(Passkey.id).where(Passkey.user_id == User.id).exists(),
            Practice.second_factor_required,
        )
        .join(UserSession, UserSession.user_id == User.id)
        .join(Practice, Practice.id == User.practice_id)
        .outerjoin(SecondFactor, SecondFactor.user_id == User.id)
        .where(UserSession.token_hash == hash_token(token), *life.is_open(now), User.active)
    ).one_or_none()
    if found is None:
        return None
    user, seen_at, identity_factor, is_verified, has_app, has_passkey, is_required = found
    if touch and now - seen_at >= dt.timedelta(seconds=TOUCH_SECONDS):
        session.execute(update(UserSession).where(UserSession.token_hash == hash_token(token)).values(seen_at=now))
    must_add = is_required and user.role in second_factor.ROLES and not (has_app or has_passkey or identity_factor)
    return replace(
        actor_for(user), is_verified=is_verified, has_app=has_app, has_passkey=has_passkey, must_add_factor=must_add,
        identity_factor=identity_factor,
    )  # fmt: skip


def verify(session: Session, token: str, now: dt.datetime) -> None:
    """Record that the session's user gave the second factor, or the password without one."""
    session.execute(update(UserSession).where(UserSession.token_hash == hash_token(token)).values(verified_at=now))


def find_user_from_provider(session: Session, token: str) -> User | None:
    """Return the session's user if the identity provider signed them in, else None. Then see the user's practice."""
    if not own_practice.enter(session, "session", hash_token(token)):
        return None
    of_session = select(User).join(UserSession, UserSession.user_id == User.id)
    wanted = UserSession.token_hash == hash_token(token), UserSession.identity_factor.is_not(None)
    return session.scalar(of_session.where(*wanted))


def find_id_token(session: Session, token: str) -> str | None:
    """Return the ID token with which the session began, or None."""
    return session.scalar(select(UserSession.id_token).where(UserSession.token_hash == hash_token(token)))


def end_password_sessions(session: Session, practice_id: int) -> int:
    """End the sessions of the practice's users that began with a password. Return how many ended."""
    users = select(User.id).where(User.practice_id == practice_id)
    with_password = UserSession.user_id.in_(users), UserSession.identity_factor.is_(None)
    return len(session.scalars(delete(UserSession).where(*with_password).returning(UserSession.token_hash)).all())


def end(session: Session, token: str, now: dt.datetime) -> None:
    """Sign out. Do nothing if the session already ended."""
    if not own_practice.enter(session, "session", hash_token(token)):
        return
    user_id = session.scalar(
        delete(UserSession).where(UserSession.token_hash == hash_token(token)).returning(UserSession.user_id)
    )
    if user_id is None:
        return
    audit.record(session, "user.signed_out", session.get_one(User, user_id), by=user_id, now=now)


def list_open(session: Session, user_id: int, now: dt.datetime, life: SessionLife) -> Sequence[UserSession]:
    """Return the user's open sessions, the one seen last first."""
    found = select(UserSession).where(UserSession.user_id == user_id, *life.is_open(now))
    return session.scalars(found.order_by(UserSession.seen_at.desc(), UserSession.id.desc())).all()


def is_of_token(found: UserSession, token: str | None) -> bool:
    """Return whether this is the session with this token."""
    return token is not None and found.token_hash == hash_token(token)


def end_one(session: Session, session_id: int, *, by: Actor, now: dt.datetime) -> None:
    """End one of the user's own sessions. Raise `NoSuchSession` and `VerificationNeeded`."""
    by.require_verified()
    own = delete(UserSession).where(UserSession.id == session_id, UserSession.user_id == by.user_id)
    if session.scalar(own.returning(UserSession.id)) is None:
        raise NoSuchSession
    _record_ended(session, session.get_one(User, by.user_id), 1, by=by, now=now)


def end_others(session: Session, *, but: str | None, by: Actor, now: dt.datetime) -> int:
    """End the user's other sessions. Return how many ended. Raise `VerificationNeeded`. `but` is this one's token."""
    by.require_verified()
    ended = end_all(session, by.user_id, but=but)
    if ended:
        _record_ended(session, session.get_one(User, by.user_id), ended, by=by, now=now)
    return ended


def end_for(session: Session, user: User, *, by: Actor, now: dt.datetime) -> int:
    """End all sessions of another user. Return how many ended."""
    ended = end_all(session, user.id)
    if ended:
        _record_ended(session, user, ended, by=by, now=now)
    return ended


def end_all(session: Session, user_id: int, *, but: str | None = None) -> int:
    """End the user's sessions, except the one with this token, as a part of another act. Return how many ended."""
    others = [] if but is None else [UserSession.token_hash != hash_token(but)]
    ended = delete(UserSession).where(UserSession.user_id == user_id, *others).returning(UserSession.token_hash)
    return len(session.scalars(ended).all())


def _record_ended(session: Session, user: User, ended: int, *, by: Actor, now: dt.datetime) -> None:
    audit.record(session, "user.sessions_ended", user, by=by, now=now, sessions_ended=ended)

"""Links that set a password: an administrator makes one, or the user asks for one. Each works once, for 72 hours."""

import datetime as dt
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core.access import audit, own_practice, password_sign_in, tokens, user_sessions, users
from core.access.authorize import lock_users
from core.access.token_hash import hash_token, make_token
from core.enums.notices import OutboxState
from core.errors import Refusal, or_raise
from core.models.notices import OutboxMessage
from core.models.people import PasswordLink, User

LINK_LIFE: Final = dt.timedelta(hours=72)
GIVEN_PASSWORD_LIFE: Final = dt.timedelta(minutes=15)  # from a sign-in with a given password until it is changed


class PasswordLinkInvalid(Refusal):
    """The link has expired, was already used, or was replaced by a newer one. Ask an administrator for a new link."""

    http_status = HTTPStatus.GONE


class NewLink(NamedTuple):
    """A link as it is shown once, and whether one is also e-mailed."""

    token: str
    expires_at: dt.datetime
    is_mailed: bool = False


def path(token: str) -> str:
    """Return the path of the page that the link opens."""
    return f"/set-password/{token}"


def replace(session: Session, user: User, *, by_mail: bool, now: dt.datetime) -> NewLink:
    """Make a link in place of the user's earlier ones. `by_mail` also queues an e-mail with a link of its own."""
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))
    if by_mail:
        _queue_mail(session, user, now=now)
    token = make_token()
    expires_at = _insert(session, user, LINK_LIFE, token, now=now).expires_at
    return NewLink(token, expires_at, by_mail)


def for_given_password(session: Session, email: str, *, now: dt.datetime) -> str:
    """Return the token of a short-lived link for a user who has just signed in with a password that was given."""
    user = users.find_to_sign_in(session, email)
    assert user is not None, "the password was right"
    token = make_token()
    _insert(session, user, GIVEN_PASSWORD_LIFE, token, now=now)
    return token


def mail_if_known(session: Session, email: str, *, now: dt.datetime, address: str) -> None:
    """Queue an e-mail with a link if an active user has this e-mail address. `address` is the client's."""
    user = users.find_to_sign_in(session, email)
    if user is None or not user.active or password_sign_in.is_off(session, user.practice_id):
        return
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id, PasswordLink.expires_at <= now))
    _queue_mail(session, user, now=now)
    audit.record(session, "user.password_forgotten", user, by=None, now=now, address=address)


def renew_token(session: Session, link_id: int, now: dt.datetime) -> str | None:
    """Give the link of an e-mail a new token, and return it. Return None if the link expired.

    Each try to send the e-mail has a token of its own, so that the database never stores one.
    """
    token = make_token()
    open_ = update(PasswordLink).where(PasswordLink.id == link_id, PasswordLink.expires_at > now)
    renewed = session.scalar(open_.values(token_hash=hash_token(token)).returning(PasswordLink.id))
    return None if renewed is None else token


def find_user(session: Session, token: str, now: dt.datetime) -> User:
    """Return the user whose password the link sets. Raise `PasswordLinkInvalid`."""
    if not own_practice.enter(session, "link", hash_token(token)):
        raise PasswordLinkInvalid
    found = select(User).join(PasswordLink, PasswordLink.user_id == User.id).where(*_is_open(token, now), User.active)
    return or_raise(session.scalars(found).one_or_none(), PasswordLinkInvalid)


def use(session: Session, token: str, password: str, *, keep_tokens: bool = False, now: dt.datetime) -> User:
    """Set the password through the link. End the user's sessions and links, and their API tokens unless they are kept.

    Raise `PasswordLinkInvalid` and `BadPassword`, after which the link still works.
    """
    if not own_practice.enter(session, "link", hash_token(token)):
        raise PasswordLinkInvalid
    user_id = session.scalar(delete(PasswordLink).where(*_is_open(token, now)).returning(PasswordLink.user_id))
    user = lock_users(session, [user_id]).get(user_id) if user_id is not None else None
    if user is None or not user.active:
        raise PasswordLinkInvalid
    users.set_password(session, user, password)
    ended = user_sessions.end_all(session, user.id)
    revoked = 0 if keep_tokens else tokens.revoke_all(session, user.id, now)
    facts = {"sessions_ended": ended, "tokens_revoked": revoked}
    audit.record(session, "user.password_set", user, by=user.id, now=now, **facts)
    return user


def _queue_mail(session: Session, user: User, *, now: dt.datetime) -> None:
    link = _insert(session, user, LINK_LIFE, None, now=now)
    session.execute(
        insert(OutboxMessage).values(
            practice_id=user.practice_id, password_link_id=link.id, state=OutboxState.DUE, queued_at=now, not_before=now
        )
    )


def _insert(session: Session, user: User, life: dt.timedelta, token: str | None, *, now: dt.datetime) -> PasswordLink:
    link = PasswordLink(user_id=user.id, token_hash=token and hash_token(token), created_at=now, expires_at=now + life)
    session.add(link)
    session.flush()
    return link


def _is_open(token: str, now: dt.datetime) -> tuple[Any, ...]:
    return PasswordLink.token_hash == hash_token(token), PasswordLink.expires_at > now

"""The people of a practice, as its administrators manage them: role, limits, and whether they may come in at all.

Nobody does any of it to themselves. So whoever acts stays an administrator, and a practice always keeps one.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.access import audit, authorize, users, write_off_limits
from core.access.permissions import Action, Actor
from core.errors import NotAllowed, NotFound
from core.models.people import ApiToken, Role, User, UserSession


class NoSuchUser(NotFound):
    """There is no such user in this practice."""


class OwnAccount(NotAllowed):
    """Nobody changes an own role or limit, or deactivates themselves; another administrator does."""

    code = "own_account"


def of_practice(session: Session, by: Actor) -> Sequence[User]:
    """Everybody of the practice, those who may come in first, by name."""
    by.require(Action.MANAGE_USERS)
    people = select(User).where(User.practice_id == by.practice_id)
    return session.scalars(people.order_by(User.active.desc(), func.lower(User.name), User.id)).all()


def find(session: Session, user_id: int, *, by: Actor) -> User:
    """One person of the practice; raises `NoSuchUser`."""
    by.require(Action.MANAGE_USERS)
    of_practice_ = select(User).where(User.id == user_id, User.practice_id == by.practice_id)
    user = session.scalars(of_practice_).one_or_none()
    if user is None:
        raise NoSuchUser
    return user


def find_by_email(session: Session, email: str, *, by: Actor) -> User:
    """One person of the practice; raises `NoSuchUser`."""
    user = users.find_by_email(session, email)
    if user is None or user.practice_id != by.practice_id:
        raise NoSuchUser
    return user


def doors_open_to(session: Session, user: User) -> tuple[int, int]:
    """How many browsers the person is signed in with, and how many tokens act as them."""
    browsers = select(func.count()).select_from(UserSession).where(UserSession.user_id == user.id)
    tokens = (
        select(func.count()).select_from(ApiToken).where(ApiToken.user_id == user.id, ApiToken.revoked_at.is_(None))
    )
    return session.scalars(browsers).one(), session.scalars(tokens).one()


def add(
    session: Session,
    *,
    email: str,
    name: str,
    role: Role,
    password: str,
    claim_cents: int,
    job_cents: int,
    by: Actor,
    now: dt.datetime,
) -> User:
    """Add a person to the practice, with the limits that somebody chose; `UNLIMITED` is a word.

    Raises what `core.access.users.add_user` raises, and `NotAllowed`.
    """
    authorize.require(session, by, Action.MANAGE_USERS)
    return users.add_user(
        session, practice_id=by.practice_id, email=email, name=name, role=role, password=password,
        claim_cents=claim_cents, job_cents=job_cents, now=now, by=by.user_id,
    )  # fmt: skip


def change_role(session: Session, user_id: int, role: Role, *, by: Actor, now: dt.datetime) -> User:
    """Let the person do what `role` may, from their next click on. The same role again changes nothing."""
    user = _held(session, user_id, by)
    if user.role is not role:
        _record(session, "user.role_changed", user, by, now, **{"from": user.role.value, "to": role.value})
        user.role = role
    return user


def set_limits(
    session: Session,
    user_id: int,
    *,
    claim_cents: int | None = None,
    job_cents: int | None = None,
    by: Actor,
    now: dt.datetime,
) -> User:
    """Say what one claim and one job of this person may write off without a second person; `UNLIMITED` is a word.

    None leaves that limit as it is. Jobs that were previewed before keep the limits of then. Raises `BadLimitAmount`
    where a number can be no limit.
    """
    user = _held(session, user_id, by)
    changed = write_off_limits.change(user, claim_cents=claim_cents, job_cents=job_cents)
    if changed:
        _record(session, "user.limits_changed", user, by, now, **changed)
    return user


def deactivate(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Let the person in no longer: sign out their browsers, revoke their tokens. What they did stays theirs."""
    user = _held(session, user_id, by)
    if not user.active:
        return user
    user.active = False
    ended = delete(UserSession).where(UserSession.user_id == user.id).returning(UserSession.user_id)
    revoked = update(ApiToken).where(ApiToken.user_id == user.id, ApiToken.revoked_at.is_(None)).values(revoked_at=now)
    facts = {
        "sessions_ended": len(session.scalars(ended).all()),
        "tokens_revoked": len(session.scalars(revoked.returning(ApiToken.id)).all()),
    }
    _record(session, "user.deactivated", user, by, now, **facts)
    return user


def reactivate(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Let the person in again, with their password, role and limits of before; tokens stay revoked."""
    user = _held(session, user_id, by)
    if not user.active:
        # A sign-in that was under way when they were deactivated may have left a session.
        session.execute(delete(UserSession).where(UserSession.user_id == user.id))
        user.active = True
        _record(session, "user.reactivated", user, by, now)
    return user


def _held(session: Session, user_id: int, by: Actor) -> User:
    """The person, and who acts, held as they are until the commit.

    In one order, so that two administrators who do it to each other at once do not wait for each other: the second is
    told that they are none any more. Raises `NoSuchUser`, `OwnAccount` and `NotAllowed`.
    """
    find(session, user_id, by=by)
    people = authorize.require(session, by, Action.MANAGE_USERS, besides=[user_id])
    if user_id == by.user_id:
        raise OwnAccount
    return people[user_id]


def _record(session: Session, act: str, user: User, by: Actor, now: dt.datetime, **facts: Any) -> None:
    subject = f"user:{user.id}"
    audit.record(session, act, practice_id=user.practice_id, subject=subject, by=by.user_id, now=now, **facts)

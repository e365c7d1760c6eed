"""Manage the users of a practice as an administrator: add, role, limits, sign-in, deactivate, reactivate, vouch.

Users cannot do any of this to themselves. So a practice always keeps an administrator.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core.access import (
    audit,
    authorize,
    one_person,
    password_links,
    second_factor,
    tokens,
    user_sessions,
    users,
    write_off_limits,
)
from core.access.password_links import NewLink
from core.access.permissions import Action, Actor, roles_allowing
from core.access.ties import Grant, Ties
from core.enums.people import Role
from core.errors import NotAllowed, NotFound, Refusal, or_raise
from core.models.people import AuditEntry, PasswordLink, User, UserSession
from core.models.single_sign_on import UserIdentity

_SIGN_IN_CHANGES: Final = (
    "user.factor_added", "user.factor_replaced", "user.passkey_added", "user.recovery_codes_made"
)  # fmt: skip


class NoSuchUser(NotFound):
    """This user does not exist in this practice."""


class UserInactive(Refusal):
    """This user is deactivated. Reactivate the user first."""


class OwnAccount(NotAllowed):
    """You can't change your own role or limits, or deactivate yourself. Another administrator can."""


class NotIndependent(NotAllowed):
    """You or a user who controls your account added or changed this account, so an independent one must vouch for it.

    An administrator is independent if the account was added on the server with `settle user add`.
    """


def list_users(session: Session, by: Actor) -> Sequence[User]:
    """Return the practice's users by name, active ones first."""
    by.require(Action.MANAGE_USERS)
    people = select(User).where(User.practice_id == by.practice_id)
    return session.scalars(people.order_by(User.active.desc(), func.lower(User.name), User.id)).all()


def find(session: Session, user_id: int, *, by: Actor) -> User:
    """Return one user of the practice. Raise `NoSuchUser`."""
    by.require(Action.MANAGE_USERS)
    of_practice_ = select(User).where(User.id == user_id, User.practice_id == by.practice_id)
    return or_raise(session.scalars(of_practice_).one_or_none(), NoSuchUser)


def find_by_email(session: Session, email: str, *, by: Actor) -> User:
    """Return one user of the practice. Raise `NoSuchUser`."""
    by.require(Action.MANAGE_USERS)
    user = users.find_by_email(session, email)
    if user is None or user.practice_id != by.practice_id:
        raise NoSuchUser
    return user


def count_sessions_and_tokens(session: Session, user: User, now: dt.datetime) -> tuple[int, int]:
    """Return the number of the user's signed-in browsers and the number of their tokens that work."""
    browsers = select(func.count()).select_from(UserSession).where(UserSession.user_id == user.id)
    return session.scalars(browsers).one(), tokens.count_open(session, user.id, now)


def has_identity(session: Session, user: User) -> bool:
    """Return whether the user signed in through an identity provider before."""
    return session.scalar(select(UserIdentity.user_id).where(UserIdentity.user_id == user.id).limit(1)) is not None


class Control(NamedTuple):
    """Who controls an account, what that keeps it from, and who can end the control."""

    grants: list[tuple[Grant, str]]  # each with the name of the user who did it
    controllers: list[str]  # whose jobs the account can't approve
    approves_from: dt.datetime | None  # None: it can approve the jobs of other users now
    vouchers: list[User]


def control_of(session: Session, user: User, *, now: dt.datetime) -> Control:
    """Return the acts that tie the account, oldest first, and the users who control it or may vouch for it, by name."""
    ties = Ties.read(session, user.practice_id)
    grants, controllers = ties.grants_of(user.id), ties.controllers_of(user.id)
    of_practice = select(User).where(User.practice_id == user.practice_id)
    people = session.scalars(of_practice.order_by(User.name, User.id)).all()
    names = {person.id: person.name for person in people}
    managers = [one for one in people if one.active and one.role in roles_allowing(Action.MANAGE_USERS)]
    return Control(
        grants=[(grant, names[grant.by]) for grant in grants],
        controllers=[person.name for person in people if person.id in controllers],
        approves_from=ties.approves_from(user.id, now=now),
        vouchers=[one for one in managers if one.id != user.id and _is_independent(ties, one.id, controllers)],
    )


def list_sign_in_changes(session: Session, user: User) -> list[AuditEntry]:
    """Return what the account changed of its own sign-in since a user gained control of it, oldest first.

    The user who controls it may have done that.
    """
    grants = Ties.read(session, user.practice_id).grants_of(user.id)
    if not grants:
        return []
    since = (AuditEntry.at >= min(grant.at for grant in grants), AuditEntry.act.in_(_SIGN_IN_CHANGES))
    own = (AuditEntry.practice_id == user.practice_id, AuditEntry.user_id == user.id)
    return list(session.scalars(select(AuditEntry).where(*own, *since).order_by(AuditEntry.id)))


def add(
    session: Session,
    *,
    email: str,
    name: str,
    role: Role,
    claim_cents: int,
    job_cents: int,
    by_mail: bool,
    by: Actor,
    now: dt.datetime,
) -> tuple[User, NewLink]:
    """Add a user to the practice, with limits in cents or `UNLIMITED`. The user sets a password through the link.

    Raise what `core.access.users.add_user` raises, and `NotAllowed`.
    """
    authorize.require_current_role(session, by, Action.MANAGE_USERS)
    user = users.add_user(
        session, practice_id=by.practice_id, email=email, name=name, role=role, password=None,
        claim_cents=claim_cents, job_cents=job_cents, now=now, by=by.user_id,
    )  # fmt: skip
    return user, password_links.replace(session, user, by_mail=by_mail, now=now)


def make_password_link(
    session: Session, user_id: int, *, by_mail: bool, by: Actor, now: dt.datetime
) -> tuple[User, NewLink]:
    """Make a link with which the user sets a new password. The current one still works until then.

    Raise `UserInactive`, and `OwnAccount`, because users change their own password on their account page.
    """
    user = _lock_user(session, user_id, by)
    if not user.active:
        raise UserInactive
    audit.record(session, "user.password_link", user, by=by, now=now)
    return user, password_links.replace(session, user, by_mail=by_mail, now=now)


def change_role(session: Session, user_id: int, role: Role, *, by: Actor, now: dt.datetime) -> User:
    """Change the user's role, starting with their next click. Repeating changes nothing."""
    user = _lock_user(session, user_id, by)
    if user.role is not role:
        audit.record(session, "user.role_changed", user, by=by, now=now, **{"from": user.role.value, "to": role.value})
        user.role = role
        one_person.end_if_another_could_approve(session, user.practice_id, now=now)
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
    """Set what the user may write off without approval on one claim and in one job; `UNLIMITED` for no limit.

    None keeps that limit. Existing previews keep the old limits. Raise `BadLimitAmount` for an invalid amount.
    """
    user = _lock_user(session, user_id, by)
    changed = write_off_limits.change_limits(user, claim_cents=claim_cents, job_cents=job_cents)
    if changed:
        audit.record(session, "user.limits_changed", user, by=by, now=now, **changed)
    return user


def end_sessions(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Sign the user out of all browsers. API tokens stay valid."""
    user = _lock_user(session, user_id, by)
    user_sessions.end_for(session, user, by=by, now=now)
    return user


def reset_factor(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Remove the second factor of a user who lost it, and sign the user out. Repeating changes nothing."""
    user = _lock_user(session, user_id, by)
    if second_factor.delete_of(session, user.id):
        ended = user_sessions.end_all(session, user.id)
        audit.record(session, "user.factor_reset", user, by=by, now=now, sessions_ended=ended)
    return user


def unlink_identity(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Unlink the user from the identity provider, and sign the user out. The next sign-in there links them again.

    For a person who has a new account there. Repeating changes nothing.
    """
    user = _lock_user(session, user_id, by)
    unlinked = delete(UserIdentity).where(UserIdentity.user_id == user.id).returning(UserIdentity.user_id)
    if session.scalars(unlinked).all():
        ended = user_sessions.end_all(session, user.id)
        audit.record(session, "user.identity_unlinked", user, by=by, now=now, sessions_ended=ended)
    return user


def deactivate(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Deactivate the user: end sessions and revoke tokens. Their history keeps their name."""
    user = _lock_user(session, user_id, by)
    if not user.active:
        return user
    user.active = False
    audit.record(session, "user.deactivated", user, by=by, now=now, **_end_access(session, user, now))
    one_person.end_if_another_could_approve(session, user.practice_id, now=now)
    return user


def reactivate(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Reactivate the user with the same password, role and limits. Tokens stay revoked."""
    user = _lock_user(session, user_id, by)
    if not user.active:
        # A sign-in that ran while the user was deactivated may have left a session.
        user_sessions.end_all(session, user.id)
        user.active = True
        audit.record(session, "user.reactivated", user, by=by, now=now)
        one_person.end_if_another_could_approve(session, user.practice_id, now=now)
    return user


def vouch(session: Session, user_id: int, *, by: Actor, now: dt.datetime) -> User:
    """Vouch that the account is not a second account of a user, so that no user controls it.

    A user who controlled it may be signed in as it, or have a link or a token. So those end. Repeating changes nothing.
    Raise `NotIndependent` if `by` controls the account, or is controlled by a user who does.
    """
    user = _lock_user(session, user_id, by)
    ties = Ties.read(session, by.practice_id)
    controllers = ties.controllers_of(user.id)
    if not _is_independent(ties, by.user_id, controllers):
        raise NotIndependent
    if controllers:
        facts = {**_end_access(session, user, now), "sign_in_changes": len(list_sign_in_changes(session, user))}
        audit.record(session, "user.vouched", user, by=by, now=now, **facts)
        one_person.end_if_another_could_approve(session, user.practice_id, now=now)
    return user


def _is_independent(ties: Ties, user_id: int, controllers: frozenset[int]) -> bool:
    return user_id not in controllers and user_id not in ties.controlled_by(controllers)


def _end_access(session: Session, user: User, now: dt.datetime) -> dict[str, int]:
    """End the user's sessions, tokens and password links. Return how many sessions and tokens."""
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))
    return {
        "sessions_ended": user_sessions.end_all(session, user.id),
        "tokens_revoked": tokens.revoke_all(session, user.id, now),
    }


def _lock_user(session: Session, user_id: int, by: Actor) -> User:
    """Lock and return the user, and lock the acting administrator, until commit.

    Both are locked in id order, so that two administrators who deactivate each other do not deadlock: the second is
    refused. Raise `NoSuchUser`, `OwnAccount` and `NotAllowed`.
    """
    find(session, user_id, by=by)
    people = authorize.require_current_role(session, by, Action.MANAGE_USERS, besides=[user_id])
    if user_id == by.user_id:
        raise OwnAccount
    return people[user_id]

"""Find the account of a user who signed in at the identity provider, and give it the role of the user's groups.

The account is tied to the provider's subject, not to the e-mail address, which may change or pass to someone else. Who
set the provider or gave a group its role decides who signs in, so that counts as their act on the account
(`core.access.ties`).
"""

import datetime as dt
import hashlib
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit, one_person, users
from core.access.audit import Subject
from core.access.authorize import lock_users
from core.access.users import NAME_CHARACTERS_MAX, EmailTaken
from core.enums.people import Role
from core.errors import BadInput, or_raise
from core.models.people import User
from core.models.single_sign_on import GroupRole, SignInDomain, SignInRequest, SingleSignOn, UserIdentity
from core.single_sign_on.id_token import LEEWAY_SECONDS, Identity
from core.single_sign_on.refusals import (
    AccountDeactivated,
    EmailMissing,
    EmailNotVerified,
    NoAccount,
    NoRole,
    NotSignedInAgain,
    OtherDomain,
    OtherIdentity,
    OtherUser,
    SignInRefused,
)

_LIMIT_CENTS: Final = 0  # each job of a new user needs approval


def sign_in(session: Session, settings: SingleSignOn, identity: Identity, *, now: dt.datetime) -> User:
    """Return the user, with the role of their groups. The caller finishes the sign-in. Raise `SignInRefused`."""
    # The practice's sign-ins take turns, so that of two administrators who lose the role at once, one keeps it.
    session.refresh(settings, with_for_update={"key_share": True})
    user = _find_user(session, settings, identity)
    if user is None:
        user = _first_sign_in(session, settings, identity, now=now)
    if not user.active:
        raise AccountDeactivated
    _apply_groups(session, settings, user, identity, now=now)
    return user


def counts_as_factor(settings: SingleSignOn, identity: Identity) -> bool:
    """Return whether the sign-in at the provider counts as a second factor."""
    return settings.asks_second_factor or identity.has_second_factor


def verify(session: Session, settings: SingleSignOn, request: SignInRequest, identity: Identity) -> None:
    """Check that the user of the request signed in again just now. Raise `SignInRefused`."""
    user = _find_user(session, settings, identity)
    if user is None or user.id != request.user_id or not user.active:
        raise OtherUser
    earliest = request.created_at - dt.timedelta(seconds=LEEWAY_SECONDS)
    if identity.signed_in_at is None or identity.signed_in_at < earliest:
        raise NotSignedInAgain


def record_refusal(
    session: Session, practice_id: int, refusal: SignInRefused, *, now: dt.datetime, address: str
) -> None:
    """Record that a sign-in was refused, and to which address."""
    facts = {"refused": refusal.code, "address": address}
    audit.record(session, "single_sign_on.refused", Subject.practice(practice_id), by=None, now=now, **facts)


def _find_user(session: Session, settings: SingleSignOn, identity: Identity) -> User | None:
    """Return the user that the identity belongs to, locked until commit."""
    of_identity = select(UserIdentity.user_id).where(
        UserIdentity.practice_id == settings.practice_id,
        UserIdentity.issuer == identity.issuer,
        UserIdentity.subject == identity.subject,
    )
    user_id = session.scalar(of_identity)
    return None if user_id is None else lock_users(session, [user_id])[user_id]


def _first_sign_in(session: Session, settings: SingleSignOn, identity: Identity, *, now: dt.datetime) -> User:
    """Tie the account with the verified e-mail address to the identity, or add one."""
    email = _checked_email(session, settings, identity)
    user = users.find_by_email(session, email)
    if user is None:
        user = _add_user(session, settings, identity, email, now=now)
    tied = insert(UserIdentity).values(
        practice_id=settings.practice_id, issuer=identity.issuer, subject=identity.subject, user_id=user.id,
        linked_at=now,
    )  # fmt: skip
    # Waits for a sign-in of the same user at the same moment. A conflict means another subject, or that sign-in.
    if session.scalar(tied.on_conflict_do_nothing().returning(UserIdentity.user_id)) is None:
        raise OtherIdentity
    # A digest, because the subject may be the user's name there.
    digest = hashlib.sha256(f"{identity.issuer}\n{identity.subject}".encode()).hexdigest()
    _record_granted(session, "user.identity_linked", user, settings.issuer_set_by, now=now, identity_sha256=digest)
    one_person.end_if_another_could_approve(session, user.practice_id, now=now)
    return lock_users(session, [user.id])[user.id]


def _checked_email(session: Session, settings: SingleSignOn, identity: Identity) -> str:
    if identity.email is None:
        raise EmailMissing
    if not identity.is_email_verified:
        raise EmailNotVerified
    try:
        email = users.checked_email(identity.email)
    except BadInput:
        raise EmailMissing from None
    domain = SignInDomain.domain == email.rpartition("@")[2]
    if (
        session.scalar(select(SignInDomain.domain).where(domain, SignInDomain.practice_id == settings.practice_id))
        is None
    ):
        raise OtherDomain
    return email


def _add_user(session: Session, settings: SingleSignOn, identity: Identity, email: str, *, now: dt.datetime) -> User:
    if not settings.adds_users:
        raise NoAccount
    given = or_raise(_role_of(session, settings, identity), NoRole)
    name = "".join(one for one in identity.name or "" if one.isprintable()).strip()[:NAME_CHARACTERS_MAX]
    try:
        return users.add_user(
            session, practice_id=settings.practice_id, email=email, name=name or email.partition("@")[0],
            role=given.role, password=None, claim_cents=_LIMIT_CENTS, job_cents=_LIMIT_CENTS, now=now,
            identity_provider=True, granted_by=given.set_by,
        )  # fmt: skip
    except EmailTaken:  # by a user of another practice
        raise NoAccount from None


def _apply_groups(
    session: Session, settings: SingleSignOn, user: User, identity: Identity, *, now: dt.datetime
) -> None:
    """Give the user the role of their groups. Without any group in the settings, administrators give roles."""
    given = _role_of(session, settings, identity)
    if given is None:
        if _has_groups(session, settings):
            raise NoRole
        return
    if given.role is user.role or _is_last_administrator(session, user):
        return
    facts = {"from": user.role.value, "to": given.role.value}
    _record_granted(session, "user.role_changed", user, given.set_by, now=now, **facts)
    user.role = given.role
    one_person.end_if_another_could_approve(session, user.practice_id, now=now)


def _role_of(session: Session, settings: SingleSignOn, identity: Identity) -> GroupRole | None:
    """Return the first of the practice's groups that the user is in."""
    of_practice = select(GroupRole).where(GroupRole.practice_id == settings.practice_id)
    in_order = session.scalars(of_practice.order_by(GroupRole.position)).all()
    return next((one for one in in_order if one.group_name in identity.groups), None)


def _has_groups(session: Session, settings: SingleSignOn) -> bool:
    of_practice = select(GroupRole.group_name).where(GroupRole.practice_id == settings.practice_id)
    return session.scalar(of_practice.limit(1)) is not None


def _is_last_administrator(session: Session, user: User) -> bool:
    """Return whether the practice would have no administrator without this one."""
    if user.role is not Role.ADMIN:
        return False
    others = User.practice_id == user.practice_id, User.active, User.role == Role.ADMIN, User.id != user.id
    return session.scalar(select(User.id).where(*others).limit(1)) is None


def _record_granted(
    session: Session, act: str, user: User, granted_by: int | None, *, now: dt.datetime, **facts: str
) -> None:
    """Record what the identity provider did, and whose setting made it do so (None: a command on the server)."""
    audit.record(session, act, user, by=None, now=now, identity_provider=True, granted_by=granted_by, **facts)

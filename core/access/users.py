"""Add users and sign them in."""

import datetime as dt
import re
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import reading
from core.access import audit, one_person, own_practice, password_sign_in, passwords, second_factor
from core.access.passkeys import PasskeyAnswer
from core.access.passwords import BadPassword
from core.access.permissions import Actor
from core.enums.people import Role
from core.errors import BadInput, NotAllowed, Refusal
from core.models.people import PasswordLink, User
from core.models.practices import Practice
from core.money import UNLIMITED, checked_limit, limit_as_json

EMAIL_CHARACTERS_MAX: Final = 254  # RFC 5321
NAME_CHARACTERS_MAX: Final = 200
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f\ud800-\udfff]+@[^@\s\x00-\x1f\x7f\ud800-\udfff]+")


class BadEmail(BadInput):
    """Enter an e-mail address such as name@example.org."""


class EmailTaken(Refusal):
    """There is already a user with this e-mail address. It must be unique across practices."""


class BadUserName(BadInput):
    """Enter a name of 1 to 200 characters."""


class Deactivated(NotAllowed):
    """Your account was deactivated. Nothing was changed."""

    code = NotAllowed.code


class SignInFailed(Refusal):
    """The e-mail address or password is wrong."""

    http_status = HTTPStatus.UNAUTHORIZED


class WrongPassword(Refusal):
    """The current password is wrong."""

    http_status = HTTPStatus.UNAUTHORIZED


class PasswordChangeNeeded(NotAllowed):
    """Choose your own password before you sign in, because you were given the current one."""

    user_id: int  # the password was right


def add_user(
    session: Session,
    *,
    practice_id: int,
    email: str,
    name: str,
    role: Role,
    password: str | None,
    must_change_password: bool = False,
    claim_cents: int = UNLIMITED,
    job_cents: int = UNLIMITED,
    now: dt.datetime,
    by: int | None = None,
    **facts: Any,
) -> User:
    """Add a user to the practice. `by` is the acting user (None: the command line). `facts` are for the audit.

    Without a password, the user sets the first one through a link. `must_change_password` is for a password that the
    user did not choose. Raise `BadEmail`, `BadUserName`, `BadPassword`, `BadLimitAmount`, and `EmailTaken` if any
    practice has the address.
    """
    email, name = checked_email(email), checked_name(name)
    known = (email, name, session.get_one(Practice, practice_id).name)
    values = {
        "practice_id": practice_id,
        "email": email,
        "name": name,
        "role": role,
        "password_hash": passwords.hash_of_none() if password is None else passwords.hash_new(password, known=known),
        "must_change_password": must_change_password,
        "active": True,
        "claim_limit_cents": checked_limit(claim_cents),
        "job_limit_cents": checked_limit(job_cents),
        "created_at": now,
    }
    # ON CONFLICT waits for a transaction that adds the same address. A SELECT first would not see it.
    insertion = insert(User).values(**values).on_conflict_do_nothing(index_elements=["email"])
    user: User | None = session.scalar(insertion.returning(User))
    if user is None:
        raise EmailTaken
    audit.record(
        session, "user.added", user, by=by, now=now, role=str(role),
        claim_limit_cents=limit_as_json(claim_cents), job_limit_cents=limit_as_json(job_cents), **facts,
    )  # fmt: skip
    one_person.end_if_another_could_approve(session, practice_id, now=now)
    return user


def find_by_email(session: Session, email: str) -> User | None:
    """Return the user with this address, regardless of case, if the transaction sees the user's practice."""
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        return None  # PostgreSQL cannot compare with a NUL character
    return session.scalar(select(User).where(User.email == address))


def find_to_sign_in(session: Session, email: str) -> User | None:
    """Return the user with this address in any practice. The transaction then sees the user's practice."""
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address) or not own_practice.enter(session, "email", address):
        return None
    return find_by_email(session, address)


def sign_in(
    session: Session, *, email: str, password: str, code: str = "", now: dt.datetime, address: str | None = None
) -> Actor:
    """Check the password, and the code of a user with a second factor. Return the user.

    Raise `PasswordChangeNeeded` if the password is right but must be changed first, `CodeNeeded` if it is right and no
    code is given, `PasswordSignInOff` if it is right but passwords are off, `WrongCode`, and `SignInFailed`, with the
    same words and timing, in every other case.

    A known user's failed sign-in is committed to the audit at once, because the refusal rolls back the caller's
    transaction. `address` is the client's.
    """
    user = check_sign_in(session, email=email, password=password, now=now, address=address)
    if user.must_change_password:
        refusal = PasswordChangeNeeded()
        refusal.user_id = user.id
        raise refusal
    if passwords.is_outdated(user.password_hash):
        user.password_hash = passwords.hash_password(password)
    if not code.strip() and second_factor.find(session, user.id):
        needed = second_factor.code_needed(session, user)
        session.commit()  # the new hash
        raise needed
    return finish_sign_in(session, user, code, now=now, address=address)


def finish_sign_in(
    session: Session, user: User, given: str | PasskeyAnswer, *, now: dt.datetime, address: str | None = None
) -> Actor:
    """Check the code or the passkey of a user whose password was right, if they have a second factor.

    Raise one of `second_factor.REFUSALS`.
    """
    if not user.active:
        raise SignInFailed
    if second_factor.find(session, user.id):
        second_factor.use(session, user, given, by=None, now=now, address=address)
    return record_sign_in(session, user, now=now)


def record_sign_in(session: Session, user: User, *, now: dt.datetime, **facts: Any) -> Actor:
    """Record that the user signed in, and return them."""
    audit.record(session, "user.signed_in", user, by=user.id, now=now, **facts)
    return actor_for(user)


def check_sign_in(session: Session, *, email: str, password: str, now: dt.datetime, address: str | None = None) -> User:
    """Return the active user with this password. Raise `SignInFailed` and `PasswordSignInOff`."""
    user = find_to_sign_in(session, email)
    if user is None:
        passwords.hash_password(password)  # as slow as a check, so that the time does not reveal who has an account
        raise SignInFailed
    if not passwords.matches(user.password_hash, password) or not user.active:
        # the password was wrong, so it is not known who tried
        facts = {} if address is None else {"address": address}
        audit.record(session, "user.sign_in_failed", user, by=None, now=now, **facts)
        session.commit()
        raise SignInFailed
    password_sign_in.require(session, user)
    return user


def set_password(session: Session, user: User, password: str) -> None:
    """Store a password that the user chose, and delete the links to set one. Raise `BadPassword`."""
    if passwords.matches(user.password_hash, password):
        raise BadPassword("Choose a password that differs from the current one.")
    known = (user.email, user.name, session.get_one(Practice, user.practice_id).name)
    user.password_hash = passwords.hash_new(password, known=known)
    user.must_change_password = False
    session.execute(delete(PasswordLink).where(PasswordLink.user_id == user.id))


def actor_for(user: User) -> Actor:
    """Return the user as an actor."""
    return Actor(user.id, user.practice_id, user.role, user.email, user.name)


def checked_email(email: str) -> str:
    """Return the address as it is stored. Raise `BadEmail`."""
    email = email.strip().lower()
    if len(email) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(email) or "." not in email.partition("@")[2]:
        raise BadEmail
    return email


def checked_name(name: str) -> str:
    """Return the name as it is stored. Raise `BadUserName`."""
    return reading.checked_name(name.strip(), BadUserName, most=NAME_CHARACTERS_MAX)

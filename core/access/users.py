"""Add users and sign them in."""

import datetime as dt
import re
import secrets
from http import HTTPStatus
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Actor
from core.errors import BadInput, NotAllowed, Refusal
from core.models.people import Role, User
from core.money import UNLIMITED, checked_limit, limit_as_json

PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_CHARACTERS_MAX: Final = 1_000  # hashing a megabyte would only keep a thread busy
EMAIL_CHARACTERS_MAX: Final = 254  # RFC 5321
NAME_CHARACTERS_MAX: Final = 200
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f\ud800-\udfff]+@[^@\s\x00-\x1f\x7f\ud800-\udfff]+")
_GENERATED_PASSWORD_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105 – none that look alike
_HASHER: Final = PasswordHasher()  # argon2id, RFC 9106's low-memory profile


class BadEmail(BadInput):
    """Enter an e-mail address such as name@example.org."""

    code = "bad_email"


class EmailTaken(Refusal):
    """There is already a user with this e-mail address. It must be unique across practices."""

    code = "email_taken"


class BadUserName(BadInput):
    """Enter a name of 1 to 200 characters."""

    code = "bad_user_name"


class BadPassword(BadInput):
    """A password must have at least 12 characters."""

    code = "bad_password"


class Deactivated(NotAllowed):
    """Your account was deactivated. Nothing was changed."""


class SignInFailed(Refusal):
    """The e-mail address or password is wrong."""

    code = "sign_in_failed"
    http_status = HTTPStatus.UNAUTHORIZED


def add_user(
    session: Session,
    *,
    practice_id: int,
    email: str,
    name: str,
    role: Role,
    password: str,
    claim_cents: int = UNLIMITED,
    job_cents: int = UNLIMITED,
    now: dt.datetime,
    by: int | None = None,
) -> User:
    """Add a user to the practice. `by` is the acting user (None: the command line).

    Raise `BadEmail`, `BadUserName`, `BadPassword`, `BadLimitAmount`, and `EmailTaken` if any practice has the address.
    """
    values = {
        "practice_id": practice_id,
        "email": checked_email(email),
        "name": checked_name(name),
        "role": role,
        "password_hash": _HASHER.hash(_bytes(_checked_password(password))),
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
        claim_limit_cents=limit_as_json(claim_cents), job_limit_cents=limit_as_json(job_cents),
    )  # fmt: skip
    return user


def find_by_email(session: Session, email: str) -> User | None:
    """Return the user with this address, regardless of case."""
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        return None  # PostgreSQL cannot compare with a NUL character
    return session.scalar(select(User).where(User.email == address))


def sign_in(session: Session, *, email: str, password: str, now: dt.datetime) -> Actor:
    """Check the password and return the user.

    Raise `SignInFailed`, with the same words and timing, in every other case.

    A known user's failed sign-in is committed to the audit at once, because the refusal rolls back the caller's
    transaction.
    """
    user = find_by_email(session, email)
    if user is None:
        _HASHER.hash(_bytes(password))  # as slow as a check, so that the time does not reveal who has an account
        raise SignInFailed
    if not _matches(user.password_hash, password) or not user.active:
        # the password was wrong, so it is not known who tried
        audit.record(session, "user.sign_in_failed", user, by=None, now=now)
        session.commit()
        raise SignInFailed
    if _HASHER.check_needs_rehash(user.password_hash):
        session.execute(update(User).where(User.id == user.id).values(password_hash=_HASHER.hash(_bytes(password))))
    audit.record(session, "user.signed_in", user, by=user.id, now=now)
    return actor_for(user)


def actor_for(user: User) -> Actor:
    """Return the user as an actor."""
    return Actor(user.id, user.practice_id, user.role, user.email, user.name)


def generate_password() -> str:
    """Return a password to show once: four groups of four characters, about 78 bits."""
    groups = ("".join(secrets.choice(_GENERATED_PASSWORD_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, _bytes(password))
    except VerifyMismatchError:
        return False


def _bytes(password: str) -> bytes:
    return password[:PASSWORD_CHARACTERS_MAX].encode("utf-8", "surrogatepass")


def checked_email(email: str) -> str:
    """Return the address as it is stored. Raise `BadEmail`."""
    email = email.strip().lower()
    if len(email) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(email):
        raise BadEmail
    return email


def checked_name(name: str) -> str:
    """Return the name as it is stored. Raise `BadUserName`."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise BadUserName
    return name


def _checked_password(password: str) -> str:
    if len(password) < PASSWORD_CHARACTERS_MIN:
        raise BadPassword
    if len(password) > PASSWORD_CHARACTERS_MAX:
        raise BadPassword(f"A password can have at most {PASSWORD_CHARACTERS_MAX} characters.")
    return password

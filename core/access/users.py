"""Users: adding one, and signing in."""

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
from core.money import UNLIMITED, checked_limit, plain_limit

PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_CHARACTERS_MAX: Final = 1_000  # a hash of a megabyte would only keep a thread busy
EMAIL_CHARACTERS_MAX: Final = 254  # RFC 5321
NAME_CHARACTERS_MAX: Final = 200
_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f\ud800-\udfff]+@[^@\s\x00-\x1f\x7f\ud800-\udfff]+")
_MADE_PASSWORD_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"  # noqa: S105 – none that look alike
_HASHER: Final = PasswordHasher()  # argon2id, RFC 9106's low-memory profile


class BadEmail(BadInput):
    """An e-mail address looks like name@example.org."""

    code = "bad_email"


class EmailTaken(Refusal):
    """There already is a user with this e-mail address; it is unique everywhere."""

    code = "email_taken"


class BadUserName(BadInput):
    """A user needs a name: some letters, and no more than 200 of them."""

    code = "bad_user_name"


class BadPassword(BadInput):
    """A password has at least 12 characters."""

    code = "bad_password"


class Deactivated(NotAllowed):
    """Your account was deactivated; nothing was done."""


class SignInFailed(Refusal):
    """The e-mail address or the password is wrong."""

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
    """Add a user to the practice; `by` is the user who does it (None: the command line).

    Raises `BadEmail`, `BadUserName`, `BadPassword`, `BadLimitAmount`, and `EmailTaken` where any practice has the
    address.
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
    # ON CONFLICT waits for whoever is adding the same address, where a SELECT first would not see them.
    insertion = insert(User).values(**values).on_conflict_do_nothing(index_elements=["email"])
    user: User | None = session.scalar(insertion.returning(User))
    if user is None:
        raise EmailTaken
    audit.record(
        session, "user.added", practice_id=practice_id, subject=f"user:{user.id}", by=by, now=now, role=str(role),
        claim_limit_cents=plain_limit(claim_cents), job_limit_cents=plain_limit(job_cents),
    )  # fmt: skip
    return user


def find_by_email(session: Session, email: str) -> User | None:
    """The user with this address, in whatever case it is written."""
    address = email.strip().lower()
    if not _EMAIL.fullmatch(address):
        return None  # PostgreSQL would refuse to compare with a NUL
    return session.scalar(select(User).where(User.email == address))


def sign_in(session: Session, *, email: str, password: str, now: dt.datetime) -> Actor:
    """Check the password and give the person; raise `SignInFailed`, in the same words and time, for any other case.

    A failure of a known user is committed to the audit at once: the refusal rolls back what its caller began.
    """
    user = find_by_email(session, email)
    if user is None:
        _HASHER.hash(_bytes(password))  # as dear as a check, so that the time tells nobody who has an account
        raise SignInFailed
    if not _matches(user.password_hash, password) or not user.active:
        _record(session, user, "user.sign_in_failed", now, by=None)  # the password was wrong, so the person is unknown
        session.commit()
        raise SignInFailed
    if _HASHER.check_needs_rehash(user.password_hash):
        session.execute(update(User).where(User.id == user.id).values(password_hash=_HASHER.hash(_bytes(password))))
    _record(session, user, "user.signed_in", now, by=user.id)
    return actor_for(user)


def actor_for(user: User) -> Actor:
    """The user as one on whose behalf something is done."""
    return Actor(user.id, user.practice_id, user.role, user.email, user.name)


def make_password() -> str:
    """A password to print once: four groups of four, about 78 bits."""
    groups = ("".join(secrets.choice(_MADE_PASSWORD_LETTERS) for _ in range(4)) for _ in range(4))
    return "-".join(groups)


def _record(session: Session, user: User, act: str, now: dt.datetime, *, by: int | None) -> None:
    audit.record(session, act, practice_id=user.practice_id, subject=f"user:{user.id}", by=by, now=now)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, _bytes(password))
    except VerifyMismatchError:
        return False


def _bytes(password: str) -> bytes:
    return password[:PASSWORD_CHARACTERS_MAX].encode("utf-8", "surrogatepass")


def checked_email(email: str) -> str:
    """The address as it is kept; raises `BadEmail`."""
    email = email.strip().lower()
    if len(email) > EMAIL_CHARACTERS_MAX or not _EMAIL.fullmatch(email):
        raise BadEmail
    return email


def checked_name(name: str) -> str:
    """The name as it is kept; raises `BadUserName`."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
        raise BadUserName
    return name


def _checked_password(password: str) -> str:
    if len(password) < PASSWORD_CHARACTERS_MIN:
        raise BadPassword
    if len(password) > PASSWORD_CHARACTERS_MAX:
        raise BadPassword(f"A password has at most {PASSWORD_CHARACTERS_MAX} characters.")
    return password

"""Find the practice of someone who signs in, before any row of it can be read. Then the transaction sees its rows."""

from collections.abc import Sequence
from typing import Final, Literal, get_args

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.db import scope

_Given = Literal["session", "token", "link", "email", "domain", "state"]
_FIND: Final = {given: text(f"SELECT practice_of_{given}(:key)") for given in get_args(_Given)}
_WITH_SINGLE_SIGN_ON: Final = text("SELECT practices_with_single_sign_on()")
_PASSWORDS_SIGN_IN: Final = text("SELECT passwords_sign_in()")


def find(session: Session, given: _Given, key: bytes | str) -> int | None:
    """Return the practice of a session, token, link or state (by its hash), e-mail address or domain, or None."""
    practice_id: int | None = session.scalar(_FIND[given], {"key": key})
    return practice_id


def with_single_sign_on(session: Session) -> Sequence[int]:
    """Return the practices that have an identity provider, at most two of them."""
    return session.scalars(_WITH_SINGLE_SIGN_ON).all()


def passwords_sign_in(session: Session) -> bool:
    """Return whether a password signs in any active user of the installation."""
    return bool(session.scalar(_PASSWORDS_SIGN_IN))


def enter(session: Session, given: _Given, key: bytes | str) -> bool:
    """Let the session see the practice of what `find` takes. Return False if there is none."""
    practice_id = find(session, given, key)
    if practice_id is None:
        return False
    scope.set_practice(session, practice_id)
    return True

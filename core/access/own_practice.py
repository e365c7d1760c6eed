"""Find the practice of someone who signs in, before any row of it can be read. Then the transaction sees its rows."""

from typing import Final, Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.db import scope

_Given = Literal["session", "token", "link", "email"]
_FIND: Final = {given: text(f"SELECT practice_of_{given}(:key)") for given in ("session", "token", "link", "email")}


def enter(session: Session, given: _Given, key: bytes | str) -> bool:
    """Let the session see the practice of this browser session, token, link (each as its hash) or e-mail address.

    Return False if there is none.
    """
    practice_id = session.scalar(_FIND[given], {"key": key})
    if practice_id is None:
        return False
    scope.set_practice(session, practice_id)
    return True

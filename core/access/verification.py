"""A signed-in user shows again that it is them: with a code, or with the password if they have no second factor."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access import audit, passwords, second_factor, user_sessions
from core.access.permissions import Actor
from core.access.users import WrongPassword
from core.models.people import User


def verify(
    session: Session, *, code: str, password: str, token: str, by: Actor, now: dt.datetime, address: str
) -> None:
    """Check what the user gave and record it for five minutes in the session with this token.

    Raise `WrongCode` or `WrongPassword`. A refusal is committed to the audit at once.
    """
    user = session.get_one(User, by.user_id)
    if by.has_factor:
        second_factor.use_code(session, user, code, by=user.id, now=now, address=address)
    elif not passwords.matches(user.password_hash, password):
        audit.record(session, "user.verification_failed", user, by=by, now=now, address=address)
        session.commit()
        raise WrongPassword
    user_sessions.verify(session, token, now)

"""A signed-in user shows again that it is them: with the second factor, or with the password if they have none."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access import audit, password_sign_in, passwords, second_factor, user_sessions
from core.access.passkeys import PasskeyAnswer
from core.access.permissions import Actor
from core.access.users import WrongPassword
from core.models.people import User


def verify(
    session: Session,
    *,
    given: str | PasskeyAnswer,
    password: str,
    token: str,
    by: Actor,
    now: dt.datetime,
    address: str,
) -> None:
    """Check what the user gave and record it for five minutes in the session with this token.

    `given` is a code or a passkey's answer. Raise one of `second_factor.REFUSALS`, `WrongPassword` or
    `PasswordSignInOff`. A refusal is committed to the audit at once.
    """
    user = session.get_one(User, by.user_id)
    if not by.has_factor:
        password_sign_in.require(session, user)
    if by.has_factor:
        second_factor.use(session, user, given, by=user.id, now=now, address=address)
    elif not passwords.matches(user.password_hash, password):
        audit.record(session, "user.verification_failed", user, by=by, now=now, address=address)
        session.commit()
        raise WrongPassword
    user_sessions.verify(session, token, now)

"""A user changes their own password."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access import audit, passwords, user_sessions, users
from core.access.authorize import lock_users
from core.access.permissions import Actor
from core.access.users import Deactivated, WrongPassword


def change(
    session: Session, *, old: str, new: str, by: Actor, now: dt.datetime, this_session: str | None = None
) -> None:
    """Change the password, and end the user's other sessions. Raise `WrongPassword` and `BadPassword`."""
    user = lock_users(session, [by.user_id])[by.user_id]
    if not user.active:
        raise Deactivated
    if not passwords.matches(user.password_hash, old):
        raise WrongPassword
    users.set_password(session, user, new)
    ended = user_sessions.end_all(session, user.id, but=this_session)
    audit.record(session, "user.password_changed", user, by=by, now=now, sessions_ended=ended)


def change_given(
    session: Session, *, email: str, old: str, new: str, now: dt.datetime, address: str | None = None
) -> None:
    """Change a password that was given to the user, who is not signed in. Raise `SignInFailed` and `BadPassword`."""
    user = users.check_sign_in(session, email=email, password=old, now=now, address=address)
    change(session, old=old, new=new, by=users.actor_for(user), now=now)

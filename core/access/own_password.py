"""A user changes their own password."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access import audit, passwords, tokens, user_sessions, users
from core.access.own_factor import lock_own
from core.access.permissions import Actor
from core.access.users import WrongPassword


def change(
    session: Session,
    *,
    old: str,
    new: str,
    keep_tokens: bool = False,
    by: Actor,
    now: dt.datetime,
    this_session: str | None = None,
    this_token: str | None = None,
) -> int:
    """Change the password, end the user's other sessions, and revoke their other API tokens unless they are kept.

    Return how many tokens were revoked. Raise `WrongPassword` and `BadPassword`.
    """
    user = lock_own(session, by)
    if not passwords.matches(user.password_hash, old):
        raise WrongPassword
    users.set_password(session, user, new)
    ended = user_sessions.end_all(session, user.id, but=this_session)
    revoked = 0 if keep_tokens else tokens.revoke_all(session, user.id, now, but=this_token)
    facts = {"sessions_ended": ended, "tokens_revoked": revoked}
    audit.record(session, "user.password_changed", user, by=by, now=now, **facts)
    return revoked


def change_given(
    session: Session,
    *,
    email: str,
    old: str,
    new: str,
    keep_tokens: bool = False,
    now: dt.datetime,
    address: str | None = None,
) -> None:
    """Change a password that was given to the user, who is not signed in. Raise `SignInFailed` and `BadPassword`."""
    user = users.check_sign_in(session, email=email, password=old, now=now, address=address)
    change(session, old=old, new=new, keep_tokens=keep_tokens, by=users.actor_for(user), now=now)

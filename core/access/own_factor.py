"""A user sets up, replaces and removes their own authenticator app, and makes new recovery codes."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access import audit, passwords, second_factor, user_sessions
from core.access.authorize import lock_users
from core.access.permissions import Actor
from core.access.users import Deactivated, WrongPassword
from core.errors import Refusal
from core.models.people import User


class FactorRequired(Refusal):
    """Your practice requires a second factor for your role. Set up another one before you remove this one."""

    code = "second_factor_required"


class NoApp(Refusal):
    """You have no authenticator app. Set one up first."""

    code = "no_authenticator_app"


class NoFactor(Refusal):
    """You have no second factor. Set one up first."""

    code = "no_second_factor"


def add(
    session: Session,
    *,
    secret: str,
    code: str,
    password: str = "",
    by: Actor,
    now: dt.datetime,
    this_session: str | None = None,
) -> list[str]:
    """Store the secret if the code shows that the app has it, and sign out the user's other browsers.

    A user with a second factor needs the password too. Return new recovery codes, which cannot be shown again. Raise
    `WrongPassword`, `WrongCode` and `VerificationNeeded`.
    """
    user = lock_own(session, by)
    by.require_verified()
    is_new = not second_factor.kinds_of(session, user.id).app
    check_password_of_factor(session, user, password, by=by)
    step = second_factor.match_new(secret, code, now=now)
    codes = second_factor.store(session, user.id, secret, used_step=step, now=now)
    ended = user_sessions.end_all(session, user.id, but=this_session)
    act = "user.factor_added" if is_new else "user.factor_replaced"
    audit.record(session, act, user, by=by, now=now, sessions_ended=ended)
    return codes


def remove(session: Session, *, password: str, by: Actor, now: dt.datetime) -> None:
    """Remove the app, and with it the second factor if there is no passkey.

    Raise `WrongPassword`, `FactorRequired`, `NoApp` and `VerificationNeeded`.
    """
    user = lock_own(session, by)
    has = second_factor.kinds_of(session, user.id)
    if not has.app:
        raise NoApp
    if not has.passkey and second_factor.is_required(session, user):
        raise FactorRequired
    by.require_verified()
    check_password(user, password, by=by)
    if has.passkey:
        second_factor.delete_app(session, user.id)
        audit.record(session, "user.app_removed", user, by=by, now=now)
    else:
        delete_whole(session, user, by=by, now=now)


def delete_whole(session: Session, user: User, *, by: Actor, now: dt.datetime) -> None:
    """Delete the second factor with its recovery codes, because its last part was removed."""
    second_factor.delete_of(session, user.id)
    audit.record(session, "user.factor_removed", user, by=by, now=now)


def make_recovery_codes(session: Session, *, by: Actor, now: dt.datetime) -> list[str]:
    """Return new recovery codes. The earlier ones no longer work. Raise `NoFactor` and `VerificationNeeded`."""
    user = lock_own(session, by)
    if second_factor.find(session, user.id) is None:
        raise NoFactor
    by.require_verified()
    codes = second_factor.replace_recovery_codes(session, user.id)
    audit.record(session, "user.recovery_codes_made", user, by=by, now=now)
    return codes


def lock_own(session: Session, by: Actor) -> User:
    """Lock and return the user who acts. Raise `Deactivated`."""
    user = lock_users(session, [by.user_id])[by.user_id]
    if not user.active:
        raise Deactivated
    return user


def check_password_of_factor(session: Session, user: User, password: str, *, by: Actor) -> None:
    """Check the password of a user who has a second factor, before it is changed. Raise `WrongPassword`."""
    if second_factor.find(session, user.id) is not None:
        check_password(user, password, by=by)


def check_password(user: User, password: str, *, by: Actor) -> None:
    """Raise `WrongPassword` if this is not the user's password."""
    if by.is_from_provider:
        return  # the user may know no password, and was just verified without one
    if not passwords.matches(user.password_hash, password):
        raise WrongPassword

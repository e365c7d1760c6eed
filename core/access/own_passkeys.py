"""A user adds, renames and removes their own passkeys."""

import datetime as dt
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit, own_factor, passkeys, second_factor, user_sessions
from core.access.own_factor import FactorRequired
from core.access.passkeys import PasskeyAnswer, Site
from core.access.permissions import Actor
from core.errors import BadInput, NotFound, Refusal, or_raise
from core.models.people import Passkey, SecondFactor, User
from core.reading import checked_name

NAME_CHARACTERS_MAX: Final = 60
PASSKEYS_MAX: Final = 20


class BadPasskeyName(BadInput):
    """Enter a name of 1 to 60 characters, such as the device that keeps the passkey."""


class PasskeyTaken(Refusal):
    """This passkey is already registered."""


class TooManyPasskeys(Refusal):
    """You have 20 passkeys, which is the most. Remove one first."""


class NoSuchPasskey(NotFound):
    """This passkey does not exist. You may have removed it."""


def begin(
    session: Session, site: Site, *, name: str, password: str = "", by: Actor, now: dt.datetime
) -> str:  # fmt: skip
    """Return what a browser needs to make a passkey, in JSON. Raise what `add` raises, but not `PasskeyRefused`."""
    user = _check(session, name=name, password=password, by=by)
    return passkeys.options_to_add(session, user, site, now=now)


def add(
    session: Session,
    answer: PasskeyAnswer,
    *,
    name: str,
    password: str = "",
    by: Actor,
    now: dt.datetime,
    this_session: str | None = None,
) -> list[str]:
    """Store the passkey that the user's browser made. Return recovery codes if it is the first part of a second factor.

    The first one signs out the user's other browsers. A user with a second factor needs the password too. Raise
    `BadPasskeyName`, `TooManyPasskeys`, `WrongPassword`, `PasskeyRefused`, `PasskeyTaken` and `VerificationNeeded`.
    """
    user = _check(session, name=name, password=password, by=by)
    made = passkeys.check_new(session, user, answer, now=now)
    is_first = second_factor.find(session, user.id) is None
    if is_first:
        session.add(SecondFactor(user_id=user.id))
        session.flush()
    values = {"user_id": user.id, "name": name.strip(), "added_at": now, **made._asdict()}
    row = insert(Passkey).values(values).on_conflict_do_nothing(constraint="passkey_is_unique")
    passkey_id = or_raise(session.scalar(row.returning(Passkey.id)), PasskeyTaken)
    audit.record(session, "user.passkey_added", user, by=by, now=now, passkey=passkey_id)
    if not is_first:
        return []
    ended = user_sessions.end_all(session, user.id, but=this_session)
    audit.record(session, "user.factor_added", user, by=by, now=now, sessions_ended=ended)
    return second_factor.replace_recovery_codes(session, user.id)


def _check(session: Session, *, name: str, password: str, by: Actor) -> User:
    _checked_name(name)
    user = own_factor.lock_own(session, by)
    if len(passkeys.list_of(session, user.id)) >= PASSKEYS_MAX:
        raise TooManyPasskeys
    by.require_verified()
    own_factor.check_password_of_factor(session, user, password, by=by)
    return user


def find(session: Session, passkey_id: int, *, by: Actor) -> Passkey:
    """Return one of the user's passkeys. Raise `NoSuchPasskey`."""
    own = select(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == by.user_id)
    return or_raise(session.scalars(own).one_or_none(), NoSuchPasskey)


def rename(session: Session, passkey_id: int, name: str, *, by: Actor, now: dt.datetime) -> None:
    """Rename one of the user's passkeys. Raise `BadPasskeyName` and `NoSuchPasskey`."""
    name = _checked_name(name)
    user = own_factor.lock_own(session, by)
    passkey = find(session, passkey_id, by=by)
    if passkey.name != name:
        passkey.name = name
        audit.record(session, "user.passkey_renamed", user, by=by, now=now, passkey=passkey_id)


def remove(session: Session, passkey_id: int, *, password: str, by: Actor, now: dt.datetime) -> None:
    """Remove one of the user's passkeys, and with the last one the second factor if there is no app.

    Raise `WrongPassword`, `FactorRequired`, `NoSuchPasskey` and `VerificationNeeded`.
    """
    user = own_factor.lock_own(session, by)
    passkey = find(session, passkey_id, by=by)
    is_last = is_last_part(session, user)
    if is_last and second_factor.is_required(session, user):
        raise FactorRequired
    by.require_verified()
    own_factor.check_password(user, password, by=by)
    session.delete(passkey)
    session.flush()
    audit.record(session, "user.passkey_removed", user, by=by, now=now, passkey=passkey_id)
    if is_last:
        own_factor.delete_whole(session, user, by=by, now=now)


def is_last_part(session: Session, user: User) -> bool:
    """Return whether the user's second factor is a single passkey."""
    return len(passkeys.list_of(session, user.id)) == 1 and not second_factor.kinds_of(session, user.id).app


def _checked_name(name: str) -> str:
    return checked_name(name.strip(), BadPasskeyName, most=NAME_CHARACTERS_MAX)

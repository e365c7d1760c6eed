"""A user's second factor: codes of an authenticator app, and recovery codes. Each code works once."""

import datetime as dt
import re
from collections.abc import Collection
from http import HTTPStatus
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from core.access import audit, passwords, totp
from core.access.permissions import Action, roles_allowing
from core.access.token_hash import hash_token
from core.counting import counted
from core.errors import NotAllowed, Refusal
from core.models.people import RecoveryCode, SecondFactor, User
from core.models.practices import Practice

RECOVERY_CODES: Final = 10
_GROUPS: Final = 7  # of a recovery code: 138 bits, so that a plain hash of it is enough
# Whom a practice can require to have a second factor.
ROLES: Final = frozenset(roles_allowing(Action.APPROVE_JOB))


class CodeNeeded(NotAllowed):
    """Enter the code that your authenticator app shows, or a recovery code."""

    code = "code_needed"
    user_id: int  # the password was right


class WrongCode(Refusal):
    """This code is wrong. Enter the code that your authenticator app shows now, or an unused recovery code.

    If it is refused again, set the clock of your device automatically.
    """

    code = "wrong_code"
    http_status = HTTPStatus.UNAUTHORIZED


class CodeUsed(WrongCode):
    """This code was already used. Wait up to 30 seconds for the next one."""

    code = "code_used"


class ClockOff(WrongCode):
    """The clock of your device is behind. Set it automatically, and enter a new code."""

    code = "clock_off"


class FactorNeeded(NotAllowed):
    """Your practice requires a second factor for your role. Sign in on the web page to set it up."""

    code = "second_factor_needed"


def find(session: Session, user_id: int) -> SecondFactor | None:
    """Return the user's second factor, or None."""
    return session.get(SecondFactor, user_id)


def users_with(session: Session, user_ids: Collection[int]) -> set[int]:
    """Return those of the users who have a second factor."""
    return set(session.scalars(select(SecondFactor.user_id).where(SecondFactor.user_id.in_(user_ids))))


def is_missing(session: Session, user: User) -> bool:
    """Return whether the practice requires a second factor of this user, who has none."""
    return is_required(session, user) and find(session, user.id) is None


def is_required(session: Session, user: User) -> bool:
    """Return whether the practice requires a second factor of users with this role."""
    return user.role in ROLES and session.get_one(Practice, user.practice_id).second_factor_required


def match_new(secret: str, code: str, *, now: dt.datetime) -> int:
    """Return the step of the first code of a new secret. Raise `WrongCode` and `ClockOff`."""
    typed = _typed(code)
    if totp.steps_off(secret, typed, now=now) is None:
        raise WrongCode("This code is wrong. Enter the code that the app shows now.")
    return _matched_step(secret, typed, after=0, now=now)


def store(session: Session, user_id: int, secret: str, *, used_step: int, now: dt.datetime) -> list[str]:
    """Store the secret in place of an earlier one. Return new recovery codes, which cannot be shown again."""
    delete_of(session, user_id)
    session.add(SecondFactor(user_id=user_id, secret=secret, added_at=now, used_step=used_step))
    session.flush()
    return replace_recovery_codes(session, user_id)


def delete_of(session: Session, user_id: int) -> bool:
    """Delete the user's second factor with its recovery codes. Return whether there was one."""
    deleted = delete(SecondFactor).where(SecondFactor.user_id == user_id).returning(SecondFactor.user_id)
    return session.scalar(deleted.execution_options(synchronize_session="fetch")) is not None


def replace_recovery_codes(session: Session, user_id: int) -> list[str]:
    """Return new recovery codes. The earlier ones no longer work."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [passwords.generate_password(groups=_GROUPS) for _ in range(RECOVERY_CODES)]
    rows = [{"user_id": user_id, "code_hash": hash_token(_typed(code))} for code in codes]
    session.execute(insert(RecoveryCode), rows)
    return codes


def count_recovery_codes(session: Session, user_id: int) -> int:
    """Return how many recovery codes are unused."""
    unused = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return session.scalars(unused).one()


def use_code(
    session: Session, user: User, code: str, *, by: int | None, now: dt.datetime, address: str | None = None
) -> None:
    """Check a code of the app or a recovery code, and use it up. Raise `WrongCode`, `CodeUsed` and `ClockOff`.

    `by` is None until the user is signed in, and `address` is the client's. A refused code is committed to the audit at
    once, because the refusal rolls back the caller's transaction.
    """
    # Locked, so that of two requests with the same code, the second sees that it was used.
    locked = select(SecondFactor).where(SecondFactor.user_id == user.id).with_for_update()
    factor = session.scalars(locked.execution_options(populate_existing=True)).one_or_none()
    if factor is None:  # an administrator reset it just now
        raise WrongCode
    typed = _typed(code)
    try:
        if totp.is_code(typed):
            factor.used_step = _matched_step(factor.secret, typed, after=factor.used_step, now=now)
        else:
            _use_recovery_code(session, user, typed, now=now)
    except WrongCode as refusal:
        facts = {} if address is None else {"address": address}
        audit.record(session, "user.factor_failed", user, by=by, now=now, refused=refusal.code, **facts)
        session.commit()
        raise


def _use_recovery_code(session: Session, user: User, typed: str, *, now: dt.datetime) -> None:
    unused = delete(RecoveryCode).where(RecoveryCode.user_id == user.id, RecoveryCode.code_hash == hash_token(typed))
    if session.scalar(unused.returning(RecoveryCode.user_id)) is None:
        raise WrongCode
    left = count_recovery_codes(session, user.id)
    audit.record(session, "user.recovery_code_used", user, by=user.id, now=now, codes_left=left)


def _matched_step(secret: str, typed: str, *, after: int, now: dt.datetime) -> int:
    off = totp.steps_off(secret, typed, now=now)
    if off is None:
        raise WrongCode
    step = totp.step_at(now) + off
    if step <= after:
        raise CodeUsed
    if off < -totp.STEPS_OFF_ACCEPTED:
        minutes = counted(max(1, round(-off * totp.STEP_SECONDS / 60)), "minute")
        raise ClockOff(
            f"This code is about {minutes} old. Enter the one that the app shows now. "
            "If it is refused too, the clock of your device is behind. Set it automatically."
        )
    return step


def _typed(code: str) -> str:
    """Return the code without what people add when they type it."""
    return re.sub(r"[\s-]", "", code).lower()

"""A user's second factor: codes of an authenticator app, passkeys, and recovery codes. Each code works once."""

import datetime as dt
import re
from collections.abc import Collection
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from core.access import audit, passkeys, passwords, sealed, totp
from core.access.passkeys import PasskeyAnswer, PasskeyRefused
from core.access.permissions import Action, roles_allowing
from core.access.sealed import Opened, Unreadable
from core.access.token_hash import hash_token
from core.counting import counted
from core.errors import NotAllowed, Refusal, or_raise
from core.models.people import Passkey, RecoveryCode, SecondFactor, User
from core.models.practices import Practice

RECOVERY_CODES: Final = 10
_GROUPS: Final = 7  # of a recovery code: 138 bits, so that a plain hash of it is enough
FAILURES_MAX: Final = 8  # within the time below, as for passwords
FAILURES_COUNT_FOR: Final = dt.timedelta(minutes=5)
_NO_APP: Final = "This code is wrong. Your account has no authenticator app. Enter an unused recovery code."
_ONLY_PASSKEYS: Final = (
    "Enter one of your recovery codes, because your passkeys work only on the web pages. To need none, create an API "
    "token there on Your account, and set SETTLE_TOKEN to it."
)
# Whom a practice can require to have a second factor.
ROLES: Final = frozenset(roles_allowing(Action.APPROVE_JOB))


class CodeNeeded(NotAllowed):
    """Enter the code that your authenticator app shows, or a recovery code."""

    user: User  # whose password was right


class WrongCode(Refusal):
    """This code is wrong. Enter the code that your authenticator app shows now, or an unused recovery code.

    If a new code is refused too, turn on automatic date and time on your device.
    """

    http_status = HTTPStatus.UNAUTHORIZED


class CodeUsed(WrongCode):
    """This code was already used. Wait up to 30 seconds for the next one."""


class TooManyFailures(WrongCode):
    """Too many wrong codes or refused passkeys. Wait five minutes and try again."""

    retry_after_seconds = int(FAILURES_COUNT_FOR.total_seconds())
    http_status = HTTPStatus.TOO_MANY_REQUESTS


class AppUnreadable(WrongCode):
    """The server's secret key changed, so it cannot check the codes of your app. Enter an unused recovery code.

    Then set up the app again on Your account.
    """


class ClockOff(WrongCode):
    """The clock of your device is behind. Set it automatically, and enter a new code."""


REFUSALS: Final = (WrongCode, PasskeyRefused)


class FactorNeeded(NotAllowed):
    """Your practice requires a second factor for your role. Sign in on the web page to set it up."""

    code = "second_factor_needed"


class Kinds(NamedTuple):
    """What a user's second factor consists of."""

    app: bool
    passkey: bool


def kinds_of(session: Session, user_id: int) -> Kinds:
    """Return what the user's second factor consists of."""
    has_passkey = select(Passkey.id).where(Passkey.user_id == user_id).exists()
    has_app = select(SecondFactor.user_id).where(SecondFactor.user_id == user_id, SecondFactor.secret.is_not(None))
    return Kinds(*session.execute(select(has_app.exists(), has_passkey)).one())


def code_needed(session: Session, user: User) -> CodeNeeded:
    """Return the refusal that asks this user for what a program can send."""
    needed = CodeNeeded() if kinds_of(session, user.id).app else CodeNeeded(_ONLY_PASSKEYS)
    needed.user = user
    return needed


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
    """Store the app's secret in place of an earlier one. Return new recovery codes, which cannot be shown again."""
    sealed_secret = sealed.seal(secret, owner=_owner(user_id))
    session.merge(SecondFactor(user_id=user_id, secret=sealed_secret, added_at=now, used_step=used_step))
    session.flush()
    return replace_recovery_codes(session, user_id)


def delete_of(session: Session, user_id: int) -> bool:
    """Delete the user's second factor with its passkeys and recovery codes. Return whether there was one."""
    deleted = delete(SecondFactor).where(SecondFactor.user_id == user_id).returning(SecondFactor.user_id)
    return session.scalar(deleted.execution_options(synchronize_session="fetch")) is not None


def delete_app(session: Session, user_id: int) -> None:
    """Delete the authenticator app of a user who also has a passkey."""
    factor = session.get_one(SecondFactor, user_id)
    factor.secret = factor.added_at = factor.used_step = None


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


def use(
    session: Session,
    user: User,
    given: str | PasskeyAnswer,
    *,
    by: int | None,
    now: dt.datetime,
    address: str | None = None,
) -> None:
    """Check a code of the app, a recovery code or a passkey's answer, and use it up. Raise one of `REFUSALS`.

    `by` is None until the user is signed in, and `address` is the client's. A refusal is committed to the audit at
    once, because it rolls back the caller's transaction.
    """
    # Locked, so that of two requests with the same code, the second sees that it was used.
    locked = select(SecondFactor).where(SecondFactor.user_id == user.id).with_for_update()
    factor = session.scalars(locked.execution_options(populate_existing=True)).one_or_none()
    if factor is None:  # an administrator reset it just now
        raise WrongCode
    _refuse_after_failures(factor, now)
    facts: dict[str, Any] = {} if address is None else {"address": address}
    try:
        if isinstance(given, PasskeyAnswer):
            passkeys.use(session, user, given, now=now)
        else:
            _use_code(session, user, factor, _typed(given), now=now)
        factor.failures, factor.failing_since = 0, None
    except WrongCode as refusal:
        _count_failure(factor, now)
        audit.record(session, "user.factor_failed", user, by=by, now=now, refused=refusal.code, **facts)
        session.commit()
        raise
    except PasskeyRefused as refusal:
        _count_failure(factor, now)
        facts |= {} if refusal.passkey_id is None else {"passkey": refusal.passkey_id}
        audit.record(session, "user.passkey_refused", user, by=by, now=now, refused=refusal.code, **facts)
        session.commit()
        raise


def _refuse_after_failures(factor: SecondFactor, now: dt.datetime) -> None:
    """Raise `TooManyFailures`. Forget failures that began five minutes ago."""
    if factor.failing_since is not None and factor.failing_since <= now - FAILURES_COUNT_FOR:
        factor.failures, factor.failing_since = 0, None
    if factor.failures >= FAILURES_MAX:
        raise TooManyFailures


def _count_failure(factor: SecondFactor, now: dt.datetime) -> None:
    factor.failures += 1
    factor.failing_since = factor.failing_since or now


def _use_code(session: Session, user: User, factor: SecondFactor, typed: str, *, now: dt.datetime) -> None:
    if not totp.is_code(typed):
        _use_recovery_code(session, user, typed, now=now)
    elif factor.secret is None or factor.used_step is None:
        raise WrongCode(_NO_APP)
    else:
        opened = _opened(factor.secret, user.id)
        factor.used_step = _matched_step(opened.secret, typed, after=factor.used_step, now=now)
        if not opened.is_current:
            factor.secret = sealed.seal(opened.secret, owner=_owner(user.id))


def _opened(secret: str, user_id: int) -> Opened:
    try:
        return sealed.unseal(secret, owner=_owner(user_id))
    except Unreadable:
        raise AppUnreadable from None


def _owner(user_id: int) -> str:
    return f"authenticator app of user {user_id}"


def _use_recovery_code(session: Session, user: User, typed: str, *, now: dt.datetime) -> None:
    unused = delete(RecoveryCode).where(RecoveryCode.user_id == user.id, RecoveryCode.code_hash == hash_token(typed))
    if session.scalar(unused.returning(RecoveryCode.user_id)) is None:
        raise WrongCode
    left = count_recovery_codes(session, user.id)
    audit.record(session, "user.recovery_code_used", user, by=user.id, now=now, codes_left=left)


def _matched_step(secret: str, typed: str, *, after: int, now: dt.datetime) -> int:
    off = or_raise(totp.steps_off(secret, typed, now=now), WrongCode)
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

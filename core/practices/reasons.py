"""The practice's own reasons for write-offs: their names, and their codes in the practice-management system.

A job freezes its reason's name and codes at the preview, so that a later change never rewrites history.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from sqlalchemy import func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import reading
from core.access import audit, authorize
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.enums.ledger import WriteOffReason
from core.errors import BadInput, NotFound, Refusal, or_raise
from core.models.practices import PracticeReason
from core.models.schedules import Schedule
from core.practices import practice_queries

NAME_CHARACTERS_MAX: Final = 60
CODE_CHARACTERS_MAX: Final = 40  # for an adjustment code or a GL account
REASONS_MAX: Final = 200  # for each practice; a longer menu would be unreadable

_NOT_IN_CODES: Final = re.compile(r"[^a-z0-9]+")


class BadReason(BadInput):
    """The reason is not valid."""


class UnknownReason(BadInput):
    """This practice has no write-off reason with that code."""


class NoSuchReason(NotFound):
    """This practice has no write-off reason with that code."""


class ReasonNameTaken(Refusal):
    """Another reason already has this name. Choose a different name."""


class ReasonInUse(Refusal):
    """A schedule uses this reason. Choose a different reason for the schedule first."""


class LastReason(Refusal):
    """This is the last reason in use. Add another one first."""


class TooManyReasons(Refusal):
    """A practice can have at most 200 write-off reasons."""

    http_status = HTTPStatus.CONFLICT


def list_reasons(session: Session, practice_id: int, *, active_only: bool = False) -> Sequence[PracticeReason]:
    """Return the practice's reasons: those in use first, each group by name."""
    found = select(PracticeReason).where(PracticeReason.practice_id == practice_id)
    if active_only:
        found = found.where(PracticeReason.retired_at.is_(None))
    return session.scalars(
        found.order_by(PracticeReason.retired_at.is_not(None), func.lower(PracticeReason.name))
    ).all()


def find(session: Session, practice_id: int, code: str) -> PracticeReason:
    """Return the reason with this code, in use or retired. Raise `UnknownReason` with the codes in use."""
    for reason in (known := list_reasons(session, practice_id)):
        if reason.code == code:
            return reason
    raise UnknownReason(_choices(known))


def require_active(session: Session, reason: PracticeReason) -> None:
    """Raise `UnknownReason` with the codes in use if the reason is retired."""
    if reason.retired_at is not None:
        choices = _choices(list_reasons(session, reason.practice_id, active_only=True))
        raise UnknownReason(f"this reason is retired; {choices}")


def _choices(known: Sequence[PracticeReason]) -> str:
    return f"give one of {', '.join(reason.code for reason in known if reason.retired_at is None)}"


def name(session: Session, practice_id: int, code: str) -> str:
    """Return the current name of the reason with this code."""
    return session.get_one(PracticeReason, (practice_id, code)).name


def frozen(reason: PracticeReason) -> dict[str, Any]:
    """Return the name and codes that a job keeps."""
    return {name: getattr(reason, name) for name in ("code", "name", "adjustment_code", "gl_account")}


def add(
    session: Session,
    *,
    name: str,
    kind: str,
    adjustment_code: str = "",
    gl_account: str = "",
    by: Actor,
    now: dt.datetime,
) -> PracticeReason:
    """Add a reason of a built-in kind. Raise `BadReason` naming each fault, `ReasonNameTaken`, `TooManyReasons`."""
    authorize.require_current_role(session, by, Action.CHANGE_SETTING)
    texts = {"name": name, "adjustment_code": adjustment_code, "gl_account": gl_account}
    values, faults = _checked(texts)
    if kind not in set(WriteOffReason):
        faults["kind"] = f"choose one of {', '.join(WriteOffReason)}"
    _raise(faults)
    practice_queries.lock_practice(session, by.practice_id)
    codes = {reason.code for reason in list_reasons(session, by.practice_id)}
    if len(codes) >= REASONS_MAX:
        raise TooManyReasons
    new = {
        "practice_id": by.practice_id, "code": _new_code(values["name"], codes), "kind": kind,
        "changed_by": by.user_id, "changed_at": now, **values,
    }  # fmt: skip
    try:
        with session.begin_nested():
            reason = session.scalars(insert(PracticeReason).values(new).returning(PracticeReason)).one()
    except IntegrityError as error:
        raise _refusal(error) from None
    _record(session, "reason.added", reason, by, now, kind=kind, **values)
    return reason


def change(session: Session, code: str, texts: Mapping[str, str], *, by: Actor, now: dt.datetime) -> PracticeReason:
    """Change name, adjustment_code or gl_account, if `texts` has them. Existing jobs keep their old name and codes.

    Raise `NoSuchReason`, `BadReason` naming each fault, and `ReasonNameTaken`.
    """
    reason = _lock(session, code, by)
    values, faults = _checked(texts)
    _raise(faults)
    changed = {
        name: {"from": getattr(reason, name), "to": value}
        for name, value in values.items()
        if getattr(reason, name) != value
    }
    if not changed:
        return reason
    try:
        with session.begin_nested():
            _touch(reason, by, now, **{name: values[name] for name in changed})
            session.flush()
    except IntegrityError as error:
        raise _refusal(error) from None
    _record(session, "reason.changed", reason, by, now, **changed)
    return reason


def retire(session: Session, code: str, *, by: Actor, now: dt.datetime) -> PracticeReason:
    """Stop offering the reason. Jobs that use it keep it. Repeating changes nothing.

    Raise `NoSuchReason`, `LastReason`, and `ReasonInUse` naming the schedules.
    """
    reason = _lock(session, code, by)
    if reason.retired_at is not None:
        return reason
    if len(list_reasons(session, by.practice_id, active_only=True)) == 1:
        raise LastReason
    is_built_in = Schedule.own_reason.is_(None) & (Schedule.reason == reason.kind) & (code == reason.kind.value)
    using = select(Schedule.name).where(
        Schedule.practice_id == by.practice_id,
        Schedule.deleted_at.is_(None),
        or_(Schedule.own_reason == code, is_built_in),
    )
    if names := session.scalars(using.order_by(Schedule.name)).all():
        use, them = ("schedule uses", "it") if len(names) == 1 else ("schedules use", "them")
        raise ReasonInUse(
            f"{len(names):,} {use} this reason: {', '.join(names)}. Choose a different reason for {them} first.",
            schedules=list(names),
        )
    _touch(reason, by, now, retired_at=now)
    _record(session, "reason.retired", reason, by, now)
    return reason


def restore(session: Session, code: str, *, by: Actor, now: dt.datetime) -> PracticeReason:
    """Offer a retired reason again. Repeating changes nothing. Raise `NoSuchReason`."""
    reason = _lock(session, code, by)
    if reason.retired_at is not None:
        _touch(reason, by, now, retired_at=None)
        _record(session, "reason.restored", reason, by, now)
    return reason


def _lock(session: Session, code: str, by: Actor) -> PracticeReason:
    """Lock the practice, which previews and schedules read, and return the reason."""
    authorize.require_current_role(session, by, Action.CHANGE_SETTING)
    practice_queries.lock_practice(session, by.practice_id)
    this = (PracticeReason.practice_id == by.practice_id, PracticeReason.code == code)
    found = select(PracticeReason).where(*this).execution_options(populate_existing=True)
    return or_raise(session.scalars(found).one_or_none() if "\x00" not in code else None, NoSuchReason)


def _checked(texts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts without extra spaces, and the faults by field."""
    values = {name: " ".join(text.split()) for name, text in texts.items()}
    faults = {}
    for name, value in values.items():
        most = NAME_CHARACTERS_MAX if name == "name" else CODE_CHARACTERS_MAX
        if len(value) > most or not value.isprintable():
            faults[name] = f"use at most {most} characters"
        elif name == "name" and not value:
            faults[name] = "enter a name"
    return values, faults


def _raise(faults: dict[str, str]) -> None:
    if faults:
        raise BadReason(reading.join_faults(faults), faults=faults)


def _new_code(name: str, taken: set[str]) -> str:
    """Return a code made from the name's words, with a number at the end if another reason has the code."""
    stem = _NOT_IN_CODES.sub("_", name.lower()).strip("_") or "reason"
    codes = (stem if nth == 1 else f"{stem}_{nth}" for nth in range(1, REASONS_MAX + 2))
    return next(code for code in codes if code not in taken)


def _touch(reason: PracticeReason, by: Actor, now: dt.datetime, **values: Any) -> None:
    for name, value in values.items():
        setattr(reason, name, value)
    reason.changed_by, reason.changed_at = by.user_id, now


def _refusal(error: IntegrityError) -> Exception:
    is_name = "reason_name_is_unique" in str(getattr(error, "orig", ""))
    return ReasonNameTaken(faults={"name": ReasonNameTaken().message}) if is_name else error


def _record(session: Session, act: str, reason: PracticeReason, by: Actor, now: dt.datetime, **facts: Any) -> None:
    subject = Subject.of("reason", reason.code, practice_id=by.practice_id)
    audit.record(session, act, subject, by=by, now=now, **facts)

"""What users loosened in the last 24 hours, as the audit log records it.

A user who may change a limit could raise it, write off more, and lower it again. So for 24 hours after a limit was
raised the lower limit still applies, and a job by a user who loosened a rule or setting needs approval.
"""

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.write_off_limits import LIMIT_COLUMNS, HasLimits
from core.enums.practices import WriteOffSetting
from core.models.people import AuditEntry, User
from core.models.practices import Practice
from core.money import limit_from_json

WINDOW: Final = dt.timedelta(hours=24)

_LIMIT_ACTS: Final = ("write_off_limits.changed", "user.limits_changed")


class WriteOffLimits(NamedTuple):
    """The limits of a practice or a user that apply now, in cents."""

    claim_cents: int
    job_cents: int


class LooserRule(NamedTuple):
    """A rule or setting that a user loosened."""

    act: str
    user_id: int
    at: dt.datetime


def limits_in_effect(session: Session, limited: Practice | User, *, now: dt.datetime) -> WriteOffLimits:
    """Return the strictest limits of the practice or user in the last 24 hours."""
    subject = audit.subject_of(limited)
    return strictest_limits(limited, limit_changes(session, limited, since=now - WINDOW).get(subject.name, []))


def limit_changes(
    session: Session, of: Practice | User, *, since: dt.datetime, with_users: bool = False
) -> dict[str, list[AuditEntry]]:
    """Return the changes of limits since then, oldest first, by subject: of one, or of a practice and its users."""
    subject = audit.subject_of(of)
    which = (AuditEntry.practice_id == subject.practice_id,) if with_users else subject.matches()
    entries = select(AuditEntry).where(*which, AuditEntry.act.in_(_LIMIT_ACTS), AuditEntry.at > since)
    found: dict[str, list[AuditEntry]] = {}
    for entry in session.scalars(entries.order_by(AuditEntry.id)):
        found.setdefault(entry.subject, []).append(entry)
    return found


def strictest_limits(
    limited: HasLimits, changes: Collection[AuditEntry], *, until: dt.datetime | None = None
) -> WriteOffLimits:
    """Return the strictest limits from the first of these changes, oldest first, to `until` or the last one."""
    return WriteOffLimits(*(_strictest(limited, column, changes, until) for column in LIMIT_COLUMNS))


def _strictest(limited: HasLimits, column: str, changes: Collection[AuditEntry], until: dt.datetime | None) -> int:
    found: list[int] = []
    for entry in changes:
        if column not in entry.facts:
            continue
        found.append(limit_from_json(entry.facts[column]["from"]))
        if until is not None and entry.at >= until:
            return min(found)
    now: int = getattr(limited, column)
    return min([*found, now])


def loosened_by(session: Session, practice_id: int, user_ids: Collection[int], *, now: dt.datetime) -> list[LooserRule]:
    """Return the rules and settings that one of the users loosened in the last 24 hours, oldest first."""
    entries = (
        select(AuditEntry)
        .where(
            AuditEntry.practice_id == practice_id,
            AuditEntry.at > now - WINDOW,
            AuditEntry.user_id.in_(user_ids),
            AuditEntry.act.in_(_LOOSENS),
        )
        .order_by(AuditEntry.id)
    )
    return [
        LooserRule(entry.act, entry.user_id, entry.at)
        for entry in session.scalars(entries)
        if entry.user_id is not None and _LOOSENS[entry.act](entry.facts)
    ]


def loosens(entry: AuditEntry) -> bool:
    """Return whether the act raised a limit, or loosened a rule or setting."""
    if entry.act in _LIMIT_ACTS:
        return raises_limit(entry.facts)
    return entry.act in _LOOSENS and _LOOSENS[entry.act](entry.facts)


def raises_limit(facts: Mapping[str, Any]) -> bool:
    """Return whether one of the changed limits is higher than it was."""
    changes = [facts[column] for column in LIMIT_COLUMNS if column in facts]
    return any(limit_from_json(change["to"]) > limit_from_json(change["from"]) for change in changes)


def _any_number(loosens: Callable[[int, int], bool]) -> Callable[[Mapping[str, Any]], bool]:
    """Return a test whether one of the changed numbers is looser than it was."""
    return lambda facts: any(loosens(change["from"], change["to"]) for change in facts.values())


_raised: Final = _any_number(lambda before, after: after > before)
_lowered: Final = _any_number(lambda before, after: after < before)


def _writes_off_more(facts: Mapping[str, Any]) -> bool:
    """Return whether a Balance Writeoff setting covers a balance that it did not cover before.

    A provider without a setting of its own (None) uses the practice's, which is not in the entry.
    """
    before, after = (_COVERS.get(facts[key]) for key in ("from", "to"))
    return "first_choice" not in facts and (before is None or after is None or not after <= before)


_COVERS: Final[Mapping[str | None, frozenset[str]]] = {
    WriteOffSetting.NEITHER: frozenset(),
    WriteOffSetting.INSURANCE: frozenset({"insurance"}),
    WriteOffSetting.PATIENT: frozenset({"patient"}),
    WriteOffSetting.BOTH: frozenset({"insurance", "patient"}),
}

_LOOSENS: Final[Mapping[str, Callable[[Mapping[str, Any]], bool]]] = {
    "appeal_window.changed": _lowered,
    "recent_payment_window.changed": _lowered,
    "small_balance_limit.changed": _raised,
    "statement_rules.changed": _lowered,
    "time_zone.changed": lambda _facts: True,
    "write_off_setting.changed": _writes_off_more,
}

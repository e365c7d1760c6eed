"""What was written off and reversed in a month, by write-off reason and by user, as in the write-offs report."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select, text
from sqlalchemy.orm import Session, aliased

from core import calendar_months
from core.enums.ledger import REASON_NAMES, PostingKind, Responsibility
from core.ledger import remittance_source, write_offs
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.people import User
from core.models.schedules import Schedule

NO_REASON: Final = "No reason"
_ORIGINAL: Final = aliased(Posting, name="original")  # what a reversal reverses
_OWNER: Final = aliased(SettleJob, name="owner")  # the job that posted the write-off

Sides = dict[str, dict[str, int]]  # count and cents by responsibility, as in a month's totals


@dataclass(frozen=True)
class WriteOffRow:
    """The write-offs of one reason or user and their reversals, for one responsibility or for both (None)."""

    name: str
    code: str  # of the user or schedule; for a reason, its name
    responsibility: Responsibility | None
    write_offs: int  # by jobs
    written_off_cents: int  # above zero, like `reversed_cents`
    reversals: int  # by jobs
    reversed_cents: int
    later_postings: int  # reversals by later payments, adjustments and transfers, and what these restored
    later_cents: int  # the reversals less what was restored

    @property
    def net_cents(self) -> int:
        """Return what is left of it. It is below zero if more was reversed than written off."""
        return self.written_off_cents - self.reversed_cents - self.later_cents


class MonthWriteOffs(NamedTuple):
    """The write-offs of a month, and its reversals by what they reverse."""

    by_reason: list[WriteOffRow]
    by_user: list[WriteOffRow]
    total: list[WriteOffRow]  # insurance, patient and both; empty without write-offs and reversals of them
    reversed_write_offs: Sides
    voided: Sides  # reversals of payments, adjustments and transfers
    payer_reversals: Sides  # those that a remittance posted
    later_reversed_cents: int = 0  # of write-offs, by later payments, adjustments and transfers
    restored_cents: int = 0  # posted as write-offs again: the rest after such a reversal, or after its cause was voided


def for_month(session: Session, practice_id: int, month: dt.date) -> MonthWriteOffs:
    """Return the write-offs and reversals that are dated in the month. A reversal has the reason of its write-off."""
    session.execute(text("SELECT set_config('jit', 'off', true)"))
    rows = session.execute(_by_job(practice_id, month)).all()
    of_write_offs = [row for row in rows if PostingKind.WRITE_OFF in (row.kind, row.original_kind)]
    reversals = [row for row in rows if row.kind is PostingKind.REVERSAL]
    return MonthWriteOffs(
        by_reason=_grouped(of_write_offs, _reason),
        by_user=_grouped(of_write_offs, _user),
        total=_total(of_write_offs),
        reversed_write_offs=_sides(row for row in reversals if row.original_kind is PostingKind.WRITE_OFF),
        voided=_sides(row for row in reversals if row.original_kind is not PostingKind.WRITE_OFF and not row.is_payers),
        payer_reversals=_sides(row for row in reversals if row.is_payers),
        later_reversed_cents=_cents(row for row in of_write_offs if row.is_later and row.kind is PostingKind.REVERSAL),
        restored_cents=-_cents(row for row in of_write_offs if row.is_later and row.kind is PostingKind.WRITE_OFF),
    )


def reversed_cents(
    session: Session, practice_id: int, months: Collection[dt.date], *, until: dt.datetime | None = None
) -> dict[dt.date, int]:
    """Return, by month, the sum of the reversals of write-offs, or of those that were posted by a time."""
    if not months:
        return {}
    session.execute(text("SELECT set_config('jit', 'off', true)"))
    dated = (Posting.posted_on >= min(months), Posting.posted_on < calendar_months.next_month(max(months)))
    by_day = (
        select(Posting.posted_on, func.sum(Posting.amount_cents))
        .join(_ORIGINAL, _of_original())
        .where(Posting.practice_id == practice_id, Posting.kind == PostingKind.REVERSAL, *dated)
        .where(_ORIGINAL.kind == PostingKind.WRITE_OFF, *([] if until is None else [Posting.created_at <= until]))
        .group_by(Posting.posted_on)
    )
    found: dict[dt.date, int] = dict.fromkeys(months, 0)
    for day, cents in session.execute(by_day):
        if (month := calendar_months.month_of(day)) in found:
            found[month] += int(cents)
    return found


def _of_original() -> ColumnElement[bool]:
    return and_(
        _ORIGINAL.practice_id == Posting.practice_id, _ORIGINAL.claim_id == Posting.claim_id,
        _ORIGINAL.line == Posting.line, _ORIGINAL.id == Posting.reverses_id,
    )  # fmt: skip


def _by_job(practice_id: int, month: dt.date) -> Select[Any]:
    """Return the query: postings are first added up by job, so that only a few rows need a lookup of names."""
    key = (
        Posting.kind, _ORIGINAL.kind.label("original_kind"), Posting.responsibility,
        Posting.caused_by_id.is_not(None).label("is_later"),
        and_(remittance_source.is_answer(), _ORIGINAL.kind != PostingKind.WRITE_OFF).label("is_payers"),
        func.coalesce(write_offs.owning_job(_ORIGINAL), write_offs.owning_job()).label("owner_id"),
        func.coalesce(_ORIGINAL.write_off_reason, Posting.write_off_reason).label("kind_of_reason"),
    )  # fmt: skip
    sums = (
        select(*key, func.count().label("count"), func.sum(Posting.amount_cents).label("cents"))
        .outerjoin(_ORIGINAL, _of_original())
        .where(
            Posting.practice_id == practice_id, Posting.posted_on >= month,
            Posting.posted_on < calendar_months.next_month(month),
            Posting.kind.in_((PostingKind.WRITE_OFF, PostingKind.REVERSAL)),
        )
        .group_by(*key)
        .cte("sums")
    )  # fmt: skip
    return (
        select(
            sums, _OWNER.practice_reason, _OWNER.schedule_id, Schedule.name.label("schedule"),
            _OWNER.confirmed_by.label("user_id"), User.name.label("user"),
        )
        .outerjoin(_OWNER, and_(_OWNER.practice_id == practice_id, _OWNER.id == sums.c.owner_id))
        .outerjoin(Schedule, and_(Schedule.practice_id == practice_id, Schedule.id == _OWNER.schedule_id))
        .outerjoin(User, and_(User.practice_id == practice_id, User.id == _OWNER.confirmed_by))
    )  # fmt: skip


def _reason(row: Any) -> tuple[str, str]:
    frozen = row.practice_reason or {}
    name = frozen.get("name") or (REASON_NAMES[row.kind_of_reason] if row.kind_of_reason else NO_REASON)
    return name, name


def _user(row: Any) -> tuple[str, str]:
    if row.schedule_id:
        return f"Schedule “{row.schedule}”" if row.schedule else "Schedule", f"schedule-{row.schedule_id}"
    return row.user or "–", f"user-{row.user_id or 0}"


def _grouped(rows: Iterable[Any], name_of: Callable[[Any], tuple[str, str]]) -> list[WriteOffRow]:
    """Add the rows up by name, code and responsibility. The code keeps two users with the same name apart."""
    groups: dict[tuple[str, str, str, Responsibility], list[Any]] = defaultdict(list)
    for row in rows:
        name, code = name_of(row)
        groups[name.casefold(), name, code, row.responsibility].append(row)
    return [_row(key[1], key[2], key[3], group) for key, group in sorted(groups.items(), key=lambda group: group[0])]


def _total(rows: list[Any]) -> list[WriteOffRow]:
    if not rows:
        return []
    sides: tuple[Responsibility | None, ...] = (*Responsibility, None)
    return [_row("Total", "", side, [row for row in rows if side in (None, row.responsibility)]) for side in sides]


def _row(name: str, code: str, side: Responsibility | None, rows: list[Any]) -> WriteOffRow:
    written = [row for row in rows if row.kind is PostingKind.WRITE_OFF and not row.is_later]
    back = [row for row in rows if row.kind is PostingKind.REVERSAL and not row.is_later]
    later = [row for row in rows if row.is_later]
    counts = _count(written), -_cents(written), _count(back), _cents(back), _count(later), _cents(later)
    return WriteOffRow(name, code, side, *counts)


def _count(rows: Iterable[Any]) -> int:
    return sum(row.count for row in rows)


def _cents(rows: Iterable[Any]) -> int:
    return sum(int(row.cents) for row in rows)


def _sides(rows: Iterable[Any]) -> Sides:
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.responsibility.value].append(row)
    return {side: {"count": _count(group), "cents": _cents(group)} for side, group in found.items()}

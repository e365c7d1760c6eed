"""Months of a practice, in its time zone. A closed month accepts no postings.

Both posting into a month and closing it lock its row until commit. To avoid deadlocks, a user's posting locks its claim
before the month. A chunk locks the month first, but it does not wait for claims.
"""

import datetime as dt
from collections.abc import Collection
from typing import Final

from sqlalchemy import ColumnElement, Date, DateTime, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.calendar_months import format_code, format_long, month_of, next_month
from core.db.locks import waiting
from core.enums.practices import PeriodState
from core.errors import BadInput, Refusal
from core.models.practices import Period


class PeriodClosed(Refusal):
    """This month is closed."""


class PeriodBusy(Refusal):
    """This month is being closed, or many postings to it are being saved. Try again in a moment."""


class BadPostingDate(BadInput):
    """The posting date must be in an open month and not in the future."""


def month_of_column(day: ColumnElement[dt.date]) -> ColumnElement[dt.date]:
    """Return the first day of a column's month.

    The cast is needed, because date_trunc turns a plain date into a timestamp in the session's time zone and back.
    """
    return cast(func.date_trunc("month", cast(day, DateTime(timezone=False))), Date)


def lock_open(session: Session, practice_id: int, posting_dates: Collection[dt.date]) -> None:
    """Lock the months of these dates, so that they stay open until commit.

    Raise `PeriodClosed` naming the first closed one and the next open date, and `PeriodBusy`.
    """
    closed = lock_months(session, practice_id, posting_dates)
    if closed:
        raise closed_month_refusal(session, practice_id, min(closed))


def lock_months(session: Session, practice_id: int, days_: Collection[dt.date]) -> set[dt.date]:
    """Lock the months of these days until commit. Return those that are closed. Raise `PeriodBusy`."""
    with waiting(session, PeriodBusy, has_timeout=True):
        return lock_and_list_closed(session, practice_id, {month_of(day) for day in days_})


def lock_and_list_closed(session: Session, practice_id: int, months: Collection[dt.date]) -> set[dt.date]:
    """Lock the months until commit. Return those that are closed, usually with one small statement."""
    states = _lock(session, practice_id, months)
    missing = sorted(set(months) - set(states))
    if missing:
        rows = [{"practice_id": practice_id, "month": month, "state": PeriodState.OPEN} for month in missing]
        session.execute(insert(Period).values(rows).on_conflict_do_nothing())
        states |= _lock(session, practice_id, missing)
    return {month for month, state in states.items() if state is PeriodState.CLOSED}


# A locking SELECT that waited for a close reads the newest version of the row. Built once, because every chunk runs it.
_LOCK_MONTHS: Final = (
    select(Period.month, Period.state)
    .where(Period.practice_id == bindparam("of_practice"), Period.month.in_(bindparam("months", expanding=True)))
    .order_by(Period.month)
    .with_for_update(read=True)
)


def _lock(session: Session, practice_id: int, months: Collection[dt.date]) -> dict[dt.date, PeriodState]:
    return dict(session.execute(_LOCK_MONTHS, {"of_practice": practice_id, "months": list(months)}).all())


def lock_for_closing(session: Session, practice_id: int, month: dt.date) -> Period:
    """Lock the month against postings until commit. Raise `PeriodBusy` after five seconds."""
    made = insert(Period).values(practice_id=practice_id, month=month, state=PeriodState.OPEN)
    found = select(Period).where(Period.practice_id == practice_id, Period.month == month).with_for_update()
    with waiting(session, PeriodBusy):
        session.execute(made.on_conflict_do_nothing())
        return session.scalars(found.execution_options(populate_existing=True)).one()


def closed_months(session: Session, practice_id: int) -> set[dt.date]:
    """Return the closed months."""
    closed = select(Period.month).where(Period.practice_id == practice_id, Period.state == PeriodState.CLOSED)
    return set(session.scalars(closed))


def latest_posting_date(session: Session, practice_id: int, *, today: dt.date) -> dt.date:
    """Return the latest posting date: today, or the next open date if today's month is closed."""
    return first_open_date(closed_months(session, practice_id), today)


def first_open_date(closed: Collection[dt.date], day: dt.date) -> dt.date:
    """Return the day, or the first day of the next month that is not closed."""
    while month_of(day) in closed:
        day = next_month(month_of(day))
    return day


def checked_posting_date(
    session: Session, practice_id: int, *, asked: dt.date | None, today: dt.date, earliest: dt.date | None = None
) -> dt.date:
    """Return a job's posting date: the requested day, or today. A job never posts before `earliest`.

    The date is in an open month and not in the future. If today's month is closed, it may also be the next open date.
    Raise `PeriodClosed` and `BadPostingDate`.
    """
    closed, first = closed_months(session, practice_id), earliest or dt.date.min
    day, latest = asked or max(today, first), max(first_open_date(closed, today), first)
    if day < first:
        raise BadPostingDate(
            f"The posting date {day} is before the write-offs that the job reverses. The earliest is {first}.",
            days=[str(day), str(first)],
        )
    if day > today and day != latest:
        raise BadPostingDate(
            f"The posting date {day} is in the future. The latest is {latest}.", days=[str(day), str(latest)]
        )
    if month_of(day) in closed:
        raise closed_month_refusal(session, practice_id, month_of(day))
    return day


def closed_month_refusal(session: Session, practice_id: int, month: dt.date) -> PeriodClosed:
    """Return the refusal that names the closed month and the next open date: the first open day after the month.

    As in a ledger, an entry belongs in the period that is closest to its own and still open, even if a later one is
    closed. It is in the future only if today's month is closed.
    """
    offered = first_open_date(closed_months(session, practice_id), month)
    return PeriodClosed(
        f"{format_long(month)} is closed to new postings. The next open date is {offered:%m/%d/%Y}. An "
        "administrator can reopen the month.",
        month=format_code(month),
        next_open_date=offered.isoformat(),
    )

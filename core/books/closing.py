"""Close a month, storing its totals and a digest, and reopen it with a reason."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from core import calendar_months
from core.access import audit, authorize
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.books import month_sums
from core.enums.jobs import OPEN_STATUSES, JobStatus, NextStep
from core.enums.practices import PeriodState
from core.errors import BadInput, Refusal
from core.jobs import posting_month
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.models.people import User
from core.models.practices import Period, PeriodEvent
from core.practices import periods, practice_days, practice_queries
from core.reading import is_valid_note

_JOBS_NAMED_MAX: Final = 5
IMPORT_LOCK: Final = 7_265 << 32  # plus the practice's id: the advisory lock that an import holds until commit


class FutureMonth(BadInput):
    """This month has not started. Only the current month and earlier ones can be closed."""


class MonthHasJobs(Refusal):
    """Unfinished jobs are dated in this month."""


class MonthOpen(Refusal):
    """This month is already open."""


class ImportRuns(Refusal):
    """An import is running. Close the month when it is done."""


class ReopenReasonMissing(BadInput):
    """Enter a reason of at most 500 characters for reopening the month. It is kept on record."""

    code = "reason_missing"


@dataclass(frozen=True)
class MonthEvent:
    """One close or reopening, with the totals of that close. A later close does not change it."""

    state: PeriodState  # the new state
    at: dt.datetime
    by: str | None
    reason: str
    totals: dict[str, Any]
    digest: str | None  # None if `without_digests` removed it


@dataclass(frozen=True)
class Month:
    """One month: its current state, and its closes and reopenings, newest first."""

    month: dt.date
    state: PeriodState
    totals: dict[str, Any] | None
    digest: str | None
    closed_by: str | None
    closed_at: dt.datetime | None
    reopened_by: str | None
    reopened_at: dt.datetime | None
    reopened_because: str | None
    history: tuple[MonthEvent, ...]
    current_totals: dict[str, Any] | None = None  # of an open month, from `with_current_totals`

    @property
    def shown_totals(self) -> dict[str, Any] | None:
        """Return the stored totals of a closed month, or the current totals of an open one."""
        return self.totals if self.state is PeriodState.CLOSED else self.current_totals


def close(session: Session, month: dt.date, *, by: Actor, now: dt.datetime) -> Month:
    """Close the month (given by its first day) to postings. A second call changes nothing.

    Raise `NotAllowed`, `FutureMonth`, `MonthHasJobs`, `ImportRuns` and `PeriodBusy`.
    """
    authorize.require_current_role(session, by, Action.CLOSE_MONTH)
    practice = practice_queries.find(session, by.practice_id)
    if month > practice_days.today(practice, now=now):
        raise FutureMonth
    # Check before the lock too: the chunks of a running job keep the month locked, so our lock would time out.
    _refuse_unfinished(session, by.practice_id, month)
    if not session.scalar(select(func.pg_try_advisory_xact_lock(IMPORT_LOCK + by.practice_id))):
        raise ImportRuns
    period = periods.lock_for_closing(session, by.practice_id, month)
    if period.state is PeriodState.CLOSED:
        return find(session, by.practice_id, month)
    _refuse_unfinished(session, by.practice_id, month)
    sums = month_sums.for_month(session, by.practice_id, month, calendar_months.next_month(month))
    period.state = PeriodState.CLOSED
    period.closed_by = by.user_id
    # Another machine's clock may be ahead. No posting of the month may be newer than its close.
    period.closed_at = max(now, sums.latest or now)
    period.totals, period.digest = sums.totals, sums.digest
    _add_month_event(session, period, by=by, now=now)
    facts = {"digest": sums.digest, "postings": calendar_months.posting_count(sums.totals)}
    _record(session, "month.closed", month, by=by, now=now, **facts)
    return find(session, by.practice_id, month)


def reopen(session: Session, month: dt.date, *, reason: str, by: Actor, now: dt.datetime) -> Month:
    """Reopen the month to postings. Raise `NotAllowed`, `ReopenReasonMissing`, `MonthOpen` and `PeriodBusy`."""
    authorize.require_current_role(session, by, Action.CLOSE_MONTH)
    reason = reason.strip()
    if not is_valid_note(reason):
        raise ReopenReasonMissing
    period = periods.lock_for_closing(session, by.practice_id, month)
    if period.state is PeriodState.OPEN:
        raise MonthOpen(f"{calendar_months.format_long(month)} is already open.")
    period.state = PeriodState.OPEN
    period.reopened_by, period.reopened_at, period.reopened_because = by.user_id, now, reason
    _add_month_event(session, period, by=by, now=now, reason=reason)
    _record(session, "month.reopened", month, by=by, now=now, digest=period.digest)
    return find(session, by.practice_id, month)


def _add_month_event(session: Session, period: Period, *, by: Actor, now: dt.datetime, reason: str = "") -> None:
    session.add(
        PeriodEvent(
            practice_id=period.practice_id, month=period.month, state=period.state, at=now, by=by.user_id,
            reason=reason, totals=period.totals, digest=period.digest,
        )
    )  # fmt: skip
    session.flush()


def unfinished_jobs(session: Session, practice_id: int, month: dt.date) -> list[int]:
    """Return the ids of jobs that are confirmed or need approval and would still post into the month."""
    return _jobs_dated_in(session, practice_id, month, OPEN_STATUSES)


def waiting_previews(session: Session, practice_id: int, month: dt.date) -> list[int]:
    """Return the ids of previews that would post into the month. Once it is closed, they cannot be confirmed."""
    previewed = (JobStatus.PREPARING, JobStatus.PREVIEWED)
    return _jobs_dated_in(session, practice_id, month, previewed, SettleJob.next_step == NextStep.ASK)


def _jobs_dated_in(
    session: Session, practice_id: int, month: dt.date, statuses: Collection[JobStatus], *which: ColumnElement[bool]
) -> list[int]:
    dated = (SettleJob.posting_date >= month, SettleJob.posting_date < calendar_months.next_month(month))
    of_practice = (SettleJob.practice_id == practice_id, SettleJob.status.in_(statuses))
    found = select(SettleJob.id).where(*of_practice, *dated, *which, posting_month.posts_money_clause())
    return list(session.scalars(found.order_by(SettleJob.id)))


def _refuse_unfinished(session: Session, practice_id: int, month: dt.date) -> None:
    jobs = unfinished_jobs(session, practice_id, month)
    if jobs:
        named = ", ".join(map(str, jobs[:_JOBS_NAMED_MAX]))
        more = f" and {len(jobs) - _JOBS_NAMED_MAX} more" if len(jobs) > _JOBS_NAMED_MAX else ""
        words, them = ("job", "it") if len(jobs) == 1 else ("jobs", "them")
        raise MonthHasJobs(
            f"Unfinished {words} {named}{more} would post to {calendar_months.format_long(month)}. Let {them} finish, "
            f"or cancel {them}.",
            job_ids=[str(job) for job in jobs],
        )


def find(session: Session, practice_id: int, month: dt.date) -> Month:
    """Return the month. A month without a row is open."""
    period = session.get(Period, (practice_id, month))
    return _months(session, practice_id, [month], {month: period} if period else {})[0]


def list_months(session: Session, practice_id: int, *, now: dt.datetime) -> list[Month]:
    """Return every month from the first date of service to the current month, and all with a row, newest first."""
    practice = practice_queries.find(session, practice_id)
    last = calendar_months.month_of(practice_days.today(practice, now=now))
    touched = {row.month: row for row in session.scalars(select(Period).where(Period.practice_id == practice_id))}
    named = {*_months_of_service(session, practice_id, last), *touched}
    return _months(session, practice_id, sorted(named, reverse=True), touched)


def earlier_open_months(session: Session, practice_id: int, month: dt.date) -> list[dt.date]:
    """Return the open months before this one, from the first date of service, oldest first."""
    states = select(Period.month, Period.state).where(Period.practice_id == practice_id, Period.month < month)
    touched = dict(session.execute(states).all())
    closed = {one for one, state in touched.items() if state is PeriodState.CLOSED}
    return sorted({*_months_of_service(session, practice_id, month), *touched} - closed - {month})


def _months_of_service(session: Session, practice_id: int, last: dt.date) -> list[dt.date]:
    """Return the months from the first date of service to `last`, which is always in the list."""
    first = session.scalar(select(func.min(Claim.service_date)).where(Claim.practice_id == practice_id))
    month, found = calendar_months.month_of(first) if first else last, [last]
    while month < last:
        found.append(month)
        month = calendar_months.next_month(month)
    return found


def with_current_totals(session: Session, practice_id: int, months: Collection[Month]) -> list[Month]:
    """Fill in the current totals of the open months."""
    is_open = [month.month for month in months if month.state is PeriodState.OPEN]
    current = month_sums.totals_of(session, practice_id, is_open)
    return [replace(month, current_totals=current.get(month.month)) for month in months]


def without_digests(month: Month) -> Month:
    """Remove the digests, for users who do not compare them."""
    return replace(month, digest=None, history=tuple(replace(event, digest=None) for event in month.history))


def kind_cents(totals: dict[str, Any] | None, kind: str) -> int:
    """Return the sum of the postings of a kind, for both responsibilities."""
    return sum(side["cents"] for side in (totals or {}).get(kind, {}).values())


def _months(session: Session, practice_id: int, named: list[dt.date], touched: dict[dt.date, Period]) -> list[Month]:
    of_practice = (PeriodEvent.practice_id == practice_id, PeriodEvent.month.in_(touched))
    events = session.scalars(select(PeriodEvent).where(*of_practice).order_by(PeriodEvent.id.desc())).all()
    ids = {event.by for event in events}
    names = dict(session.execute(select(User.id, User.name).where(User.id.in_(ids))).all())
    return [
        _month(month, touched.get(month), [event for event in events if event.month == month], names) for month in named
    ]


def _month(month: dt.date, row: Period | None, events: list[PeriodEvent], names: dict[int, str]) -> Month:
    if row is None:
        return Month(month, PeriodState.OPEN, None, None, None, None, None, None, None, ())
    return Month(
        month=month,
        state=row.state,
        totals=row.totals,
        digest=row.digest,
        closed_by=names.get(row.closed_by or 0),
        closed_at=row.closed_at,
        reopened_by=names.get(row.reopened_by or 0),
        reopened_at=row.reopened_at,
        reopened_because=row.reopened_because,
        history=tuple(
            MonthEvent(event.state, event.at, names.get(event.by), event.reason, event.totals, event.digest)
            for event in events
        ),
    )


def _record(session: Session, act: str, month: dt.date, *, by: Actor, now: dt.datetime, **facts: Any) -> None:
    subject = Subject.of("month", calendar_months.format_code(month), practice_id=by.practice_id)
    audit.record(session, act, subject, by=by, now=now, **facts)

"""The month that a job posts into. It must be open when the job is confirmed, and it stays open until the job ends."""

import datetime as dt

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session, aliased

from core import calendar_months
from core.enums.jobs import JobKind
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.models.practices import Practice
from core.practices import periods, practice_days


def choose_posting_date(
    session: Session,
    practice: Practice,
    *,
    asked: dt.date | None,
    moves_money: bool,
    now: dt.datetime,
    earliest: dt.date | None = None,
) -> dt.date:
    """Return a new job's posting date: the date `asked` for, or today, and never before `earliest`.

    Raise `PeriodClosed` and `BadPostingDate`. A job that posts nothing is dated today.
    """
    today = practice_days.today(practice, now=now)
    if not moves_money:
        return today
    return periods.checked_posting_date(session, practice.id, asked=asked, today=today, earliest=earliest)


def moves_money(session: Session, job: SettleJob) -> bool:
    """Return whether the job posts anything. A status change and the reversal of one do not."""
    if job.kind is not JobKind.REVERSE:
        return job.kind is JobKind.SETTLE
    return bool(session.scalar(select(posts_money_clause()).where(*JobKey(job.practice_id, job.id).of(SettleJob))))


def posts_money_clause() -> ColumnElement[bool]:
    """Return, as SQL, whether a job posts anything."""
    original = aliased(SettleJob, name="original")
    of_original = exists().where(
        original.practice_id == SettleJob.practice_id,
        original.id == SettleJob.reverses_job_id,
        original.kind == JobKind.SETTLE,
    )
    return or_(SettleJob.kind == JobKind.SETTLE, of_original.correlate(SettleJob))


def lock_month_open(session: Session, job: SettleJob) -> None:
    """Lock the month of the job's posting date so that it stays open until the commit.

    Raise `PeriodClosed` and `PeriodBusy`.
    """
    if moves_money(session, job):
        periods.lock_open(session, job.practice_id, [job.posting_date])


def next_open_date_if_closed(session: Session, job: SettleJob) -> dt.date | None:
    """Return the next open date, for a new preview, if the job's month is closed. Return None if it is open."""
    if not is_closed(session, job):
        return None
    return periods.first_open_date(periods.closed_months(session, job.practice_id), job.posting_date)


def is_closed(session: Session, job: SettleJob) -> bool:
    """Return whether the job would post into a closed month."""
    is_late = calendar_months.month_of(job.posting_date) in periods.closed_months(session, job.practice_id)
    return is_late and moves_money(session, job)

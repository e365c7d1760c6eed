"""Find schedules and their runs."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core import calendar_months
from core.enums.schedules import ScheduleState
from core.errors import NotFound, or_raise
from core.models.practices import Practice, PracticeReason
from core.models.schedules import Schedule, ScheduleRun
from core.money import UNLIMITED, UNLIMITED_WORD
from core.practices import reasons
from core.practices.reasons import UnknownReason
from core.schedules import run_times
from core.schedules.requests import COLUMNS, BadSchedule, ScheduleRequest


class NoSuchSchedule(NotFound):
    """There is no such schedule in this practice."""


class NoSuchRun(NotFound):
    """There is no such run in this practice."""


def list_schedules(session: Session, practice_id: int) -> Sequence[Schedule]:
    """Return the practice's schedules by name, without deleted ones."""
    there = (Schedule.practice_id == practice_id, Schedule.deleted_at.is_(None))
    return session.scalars(select(Schedule).where(*there).order_by(Schedule.name)).all()


def with_runs_in(session: Session, practice_id: int, month: dt.date, *, now: dt.datetime) -> list[Schedule]:
    """Return the schedules whose next run is in the month (its first day). Closing it refuses those runs."""
    coming = ((schedule, next_run(session, schedule, now=now)) for schedule in list_schedules(session, practice_id))
    return [schedule for schedule, run_time in coming if run_time and calendar_months.month_of(run_time.date) == month]


def find(session: Session, practice_id: int, schedule_id: int) -> Schedule:
    """Return the schedule. Raise `NoSuchSchedule`, also for a deleted one."""
    this = (Schedule.practice_id == practice_id, Schedule.id == schedule_id, Schedule.deleted_at.is_(None))
    return or_raise(session.scalars(select(Schedule).where(*this)).one_or_none(), NoSuchSchedule)


def columns(session: Session, practice_id: int, request: ScheduleRequest) -> dict[str, Any]:
    """Return the values of the requested schedule's columns. Block its reason's retirement until commit.

    Raise `BadSchedule` if the reason is not in use.
    """
    reason = _find_reason(session, practice_id, request)
    caps = {"claims_max": request.claims_max, "cents_max": request.cents_max}
    fields = {
        **request.model_dump(exclude={"weekdays", "mail_to"}),
        **{cap: UNLIMITED if value == UNLIMITED_WORD else value for cap, value in caps.items()},
        "reason": reason.kind,
        "own_reason": None if reason.code == reason.kind.value else reason.code,
        "weekdays": list(request.weekdays),
        "mail_to": list(request.mail_to),
    }
    return {COLUMNS.get(name, name): value for name, value in fields.items()}


def _find_reason(session: Session, practice_id: int, request: ScheduleRequest) -> PracticeReason:
    session.execute(select(Practice.id).where(Practice.id == practice_id).with_for_update(read=True))
    try:
        reason = reasons.find(session, practice_id, request.reason)
        reasons.require_active(session, reason)
    except UnknownReason as refusal:
        raise BadSchedule(f"reason: {refusal.message}", faults={"reason": refusal.message}) from None
    return reason


def list_runs(
    session: Session, practice_id: int, schedule_id: int | None = None, *, before: int | None = None, limit: int
) -> Sequence[ScheduleRun]:
    """Return the practice's runs, or one schedule's, newest first, with ids below `before`. Raise `NoSuchSchedule`."""
    if schedule_id is not None and session.get(Schedule, (practice_id, schedule_id)) is None:
        raise NoSuchSchedule
    found = select(ScheduleRun).where(ScheduleRun.practice_id == practice_id)
    if schedule_id is not None:
        found = found.where(ScheduleRun.schedule_id == schedule_id)
    if before is not None:
        found = found.where(ScheduleRun.id < before)
    return session.scalars(found.order_by(ScheduleRun.id.desc()).limit(limit)).all()


def last_runs(session: Session, practice_id: int) -> dict[int, ScheduleRun]:
    """Return the newest run of each schedule of the practice, by schedule."""
    newest = (
        select(ScheduleRun)
        .where(ScheduleRun.practice_id == practice_id)
        .ext(distinct_on(ScheduleRun.schedule_id))
        .order_by(ScheduleRun.schedule_id, ScheduleRun.id.desc())
    )
    return {run.schedule_id: run for run in session.scalars(newest)}


def find_run(session: Session, practice_id: int, run_id: int) -> ScheduleRun:
    """Return the run. Raise `NoSuchRun`."""
    this = (ScheduleRun.practice_id == practice_id, ScheduleRun.id == run_id)
    return or_raise(session.scalars(select(ScheduleRun).where(*this)).one_or_none(), NoSuchRun)


def run_for_job(session: Session, practice_id: int, job_id: int) -> ScheduleRun | None:
    """Return the run that created this job, or None for a user's job."""
    of_job = (ScheduleRun.practice_id == practice_id, ScheduleRun.job_id == job_id)
    return session.scalars(select(ScheduleRun).where(*of_job)).one_or_none()


def next_run(session: Session, schedule: Schedule, *, now: dt.datetime) -> run_times.RunTime | None:
    """Return the next run, or None if the schedule does not run. A decided run does not come again."""
    if schedule.state is not ScheduleState.ACTIVE or schedule.deleted_at is not None:
        return None
    zone = ZoneInfo(session.get_one(Practice, schedule.practice_id).time_zone)
    of_schedule = (ScheduleRun.practice_id == schedule.practice_id, ScheduleRun.schedule_id == schedule.id)
    recent = now.date() - dt.timedelta(days=2)
    decided = session.scalars(select(ScheduleRun.local_date).where(*of_schedule, ScheduleRun.local_date >= recent))
    found = run_times.next_due(schedule, zone, now, {date for date in decided if date is not None})
    return None if found is None else run_times.RunTime(*found)

"""The runs of a locked schedule that are still undecided, and the records of runs that do not start.

Runs are decided in order, so that the last decided date is enough. Ending or moving a schedule's runs first records
every run that was already due, so that no run disappears silently.
"""

import datetime as dt
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from core.access import audit
from core.models.people import AuditEntry
from core.models.practices import Practice
from core.models.schedules import RunOutcome, Schedule, ScheduleRun, ScheduleState
from core.schedules import descriptions, run_times, runs
from core.schedules.requests import WEEKDAYS
from core.schedules.run_times import PendingRuns, RunTime

_FAILED: Final = "schedule.night_failed"


def lock_time_zone(session: Session, practice_id: int) -> ZoneInfo:
    """Lock and return the practice's time zone. A change of it locks the schedules first, and then this."""
    held = select(Practice.time_zone).where(Practice.id == practice_id).with_for_update(read=True)
    return ZoneInfo(session.scalars(held).one())


def undecided_runs(session: Session, schedule: Schedule, zone: ZoneInfo, *, now: dt.datetime) -> PendingRuns:
    """Return the schedule's undecided runs by the clock of `zone`."""
    return run_times.pending_runs(schedule, zone, now, (), first_undecided(session, schedule))


def first_undecided(session: Session, schedule: Schedule) -> dt.date | None:
    """Return the date after the last decided run, or None if none was decided."""
    of_schedule = (ScheduleRun.practice_id == schedule.practice_id, ScheduleRun.schedule_id == schedule.id)
    last = session.scalar(select(func.max(ScheduleRun.local_date)).where(*of_schedule))
    return None if last is None else last + dt.timedelta(days=1)


def record_due_before_end(session: Session, schedule: Schedule, because: str, *, now: dt.datetime) -> None:
    """Record every run that was due before the schedule is paused or deleted."""
    record_stop_once(session, schedule, now=now)
    if schedule.state is not ScheduleState.ACTIVE:
        return  # runs that pass while it is paused do not count
    open_ = undecided_runs(session, schedule, lock_time_zone(session, schedule.practice_id), now=now)
    for night in open_.missed:
        record_missed(session, schedule, night, next_came=open_.due is not None, now=now)
    if open_.due is not None:
        record_skipped(session, schedule, open_.due, because, now=now)


def record_due_before_change(session: Session, schedule: Schedule, asked: dict[str, Any], *, now: dt.datetime) -> None:
    """Record the runs that were due before their times change to `asked`. Runs from now on count.

    A due run still starts if the new days include it and the new time does not make it too late.
    """
    if schedule.state is not ScheduleState.ACTIVE:
        return  # a resume makes them count from then on
    zone = lock_time_zone(session, schedule.practice_id)
    open_ = undecided_runs(session, schedule, zone, now=now)
    for night in open_.missed:
        record_missed(session, schedule, night, next_came=open_.due is not None, now=now)
    counts_from = now
    if open_.due is not None:
        begins = run_times.instant(open_.due.date, asked["local_time"], zone)
        is_kept = WEEKDAYS[open_.due.date.weekday()] in asked["weekdays"]
        if is_kept and now - begins <= _minutes(asked["late_minutes"]):
            counts_from = min(now, begins)
        else:
            record_skipped(session, schedule, open_.due, descriptions.EDITED, now=now)
    schedule.counts_from = counts_from


def record_missed(
    session: Session, schedule: Schedule, night: RunTime, *, next_came: bool, now: dt.datetime
) -> ScheduleRun:
    """Record a missed run with its reason: nothing ran, the next run was due, or all tries failed."""
    failed = _failure_reasons(session, schedule.practice_id, schedule.id, night.date)
    if failed:
        because = descriptions.BROKE if descriptions.BROKE in failed else descriptions.DATABASE_BUSY
        return _record(session, schedule, night, RunOutcome.FAILED, because, now=now)
    in_time = now - night.instant <= _minutes(schedule.late_minutes)
    because = descriptions.NEXT_NIGHT_CAME if next_came and in_time else descriptions.TOO_LATE
    return record_skipped(session, schedule, night, because, now=now)


def record_skipped(
    session: Session, schedule: Schedule, night: RunTime, because: str, *, now: dt.datetime
) -> ScheduleRun:
    """Record a run that was skipped for this reason."""
    return _record(session, schedule, night, RunOutcome.MISSED, because, now=now)


def record_stop_once(session: Session, schedule: Schedule, *, now: dt.datetime) -> None:
    """Record the first run that did not start because the schedule stopped, unless a tick already did."""
    if schedule.stopped_because is None or session.scalar(select(stop_is_recorded(schedule))):
        return
    open_ = undecided_runs(session, schedule, lock_time_zone(session, schedule.practice_id), now=now)
    record_stop(session, schedule, open_, schedule.stopped_because, now=now)


def record_stop(
    session: Session, schedule: Schedule, open_: PendingRuns, because: str, *, now: dt.datetime
) -> ScheduleRun | None:
    """Record the first run that did not start because the schedule stopped. Later ones are not recorded."""
    *missed, last = *open_.missed, open_.due
    if last is None and missed:
        last = missed.pop()
    for night in missed:
        record_missed(session, schedule, night, next_came=False, now=now)
    return None if last is None else _record(session, schedule, last, RunOutcome.STOPPED, because, now=now)


def stop_is_recorded(schedule: Schedule | type[Schedule]) -> ColumnElement[bool]:
    """Return the condition that a run since the schedule last became active records that it stopped."""
    return exists().where(
        ScheduleRun.practice_id == schedule.practice_id,
        ScheduleRun.schedule_id == schedule.id,
        ScheduleRun.outcome == RunOutcome.STOPPED,
        ScheduleRun.begun_at >= schedule.counts_from,
    )


def note_failure(
    session: Session, practice_id: int, schedule_id: int, night: dt.date, because: str, *, now: dt.datetime
) -> None:
    """Remember that a try of this run failed, once for each reason, so that it is not called missed at its deadline."""
    if because not in _failure_reasons(session, practice_id, schedule_id, night):
        subject, facts = f"schedule:{schedule_id}", {"night": night.isoformat(), "because": because}
        audit.record(session, _FAILED, practice_id=practice_id, subject=subject, by=None, now=now, **facts)


def _failure_reasons(session: Session, practice_id: int, schedule_id: int, night: dt.date) -> set[str]:
    """Return the reasons why tries of this run failed."""
    noted = select(AuditEntry.facts["because"].as_string()).where(
        AuditEntry.practice_id == practice_id,
        AuditEntry.subject == f"schedule:{schedule_id}",
        AuditEntry.act == _FAILED,
        AuditEntry.facts["night"].as_string() == night.isoformat(),
    )
    return set(session.scalars(noted))


def _record(
    session: Session, schedule: Schedule, night: RunTime, outcome: RunOutcome, because: str, *, now: dt.datetime
) -> ScheduleRun:
    return runs.record_run(
        session, schedule, outcome, because=because, local_date=night.date, due_at=night.instant, now=now
    )


def _minutes(count: int) -> dt.timedelta:
    return dt.timedelta(minutes=count)

"""The runs of a locked schedule that are still undecided, and the records of runs that do not start.

Runs are decided in date order, so the last decided date shows which runs are left. Before a schedule ends or its times
change, every run that was already due is recorded. So no run disappears silently.
"""

import datetime as dt
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.enums.schedules import RunOutcome, ScheduleState
from core.models.people import AuditEntry
from core.models.practices import Practice
from core.models.schedules import Schedule, ScheduleRun
from core.schedules import descriptions, run_times, runs
from core.schedules.requests import WEEKDAYS
from core.schedules.run_times import PendingRuns, RunTime

_FAILURE_ACT: Final = "schedule.night_failed"


def lock_time_zone(session: Session, practice_id: int) -> ZoneInfo:
    """Lock and return the practice's time zone. Changing the time zone locks the schedules first, then the practice."""
    held = select(Practice.time_zone).where(Practice.id == practice_id).with_for_update(read=True)
    return ZoneInfo(session.scalars(held).one())


def undecided_runs(session: Session, schedule: Schedule, zone: ZoneInfo, *, now: dt.datetime) -> PendingRuns:
    """Return the schedule's undecided runs, with times in `zone`."""
    return run_times.pending_runs(schedule, zone, now, (), first_undecided_date(session, schedule))


def first_undecided_date(session: Session, schedule: Schedule) -> dt.date | None:
    """Return the date after the last decided run, or None if none was decided."""
    of_schedule = (ScheduleRun.practice_id == schedule.practice_id, ScheduleRun.schedule_id == schedule.id)
    last = session.scalar(select(func.max(ScheduleRun.local_date)).where(*of_schedule))
    return None if last is None else last + dt.timedelta(days=1)


def record_due_before_end(session: Session, schedule: Schedule, reason_code: str, *, now: dt.datetime) -> None:
    """Record every run that was due before the schedule is paused or deleted."""
    record_stop_once(session, schedule, now=now)
    if schedule.state is not ScheduleState.ACTIVE:
        return  # runs that pass while it is paused do not count
    open_ = undecided_runs(session, schedule, lock_time_zone(session, schedule.practice_id), now=now)
    for run_time in open_.missed:
        record_missed(session, schedule, run_time, next_came=open_.due is not None, now=now)
    if open_.due is not None:
        record_skipped(session, schedule, open_.due, reason_code, now=now)


def record_due_before_change(
    session: Session, schedule: Schedule, new_values: dict[str, Any], *, now: dt.datetime
) -> None:
    """Record the runs that were due before their times change to `new_values`. Runs from now on count.

    A due run still starts if the new days include it and the new time does not make it too late.
    """
    if schedule.state is not ScheduleState.ACTIVE:
        return  # runs count again once the schedule is resumed
    zone = lock_time_zone(session, schedule.practice_id)
    open_ = undecided_runs(session, schedule, zone, now=now)
    for run_time in open_.missed:
        record_missed(session, schedule, run_time, next_came=open_.due is not None, now=now)
    active_since = now
    if open_.due is not None:
        begins = run_times.instant(open_.due.date, new_values["local_time"], zone)
        is_kept = WEEKDAYS[open_.due.date.weekday()] in new_values["weekdays"]
        if is_kept and now - begins <= _minutes(new_values["grace_minutes"]):
            active_since = min(now, begins)
        else:
            record_skipped(session, schedule, open_.due, descriptions.EDITED, now=now)
    schedule.active_since = active_since


def record_missed(
    session: Session, schedule: Schedule, run_time: RunTime, *, next_came: bool, now: dt.datetime
) -> ScheduleRun:
    """Record a missed run with its reason: nothing ran, the next run was due, or all tries failed."""
    failed = _failure_reasons(session, schedule.practice_id, schedule.id, run_time.date)
    if failed:
        reason_code = (
            descriptions.UNEXPECTED_ERROR if descriptions.UNEXPECTED_ERROR in failed else descriptions.DATABASE_BUSY
        )
        return _record(session, schedule, run_time, RunOutcome.FAILED, reason_code, now=now)
    in_time = now - run_time.instant <= _minutes(schedule.grace_minutes)
    reason_code = descriptions.NEXT_RUN_CAME if next_came and in_time else descriptions.TOO_LATE
    return record_skipped(session, schedule, run_time, reason_code, now=now)


def record_skipped(
    session: Session, schedule: Schedule, run_time: RunTime, reason_code: str, *, now: dt.datetime
) -> ScheduleRun:
    """Record a run that was skipped for this reason."""
    return _record(session, schedule, run_time, RunOutcome.MISSED, reason_code, now=now)


def record_stop_once(session: Session, schedule: Schedule, *, now: dt.datetime) -> None:
    """Record the first run that did not start because the schedule stopped, unless a tick already did."""
    if schedule.stopped_because is None or session.scalar(select(stop_is_recorded(schedule))):
        return
    open_ = undecided_runs(session, schedule, lock_time_zone(session, schedule.practice_id), now=now)
    record_stop(session, schedule, open_, schedule.stopped_because, now=now)


def record_stop(
    session: Session, schedule: Schedule, open_: PendingRuns, reason_code: str, *, now: dt.datetime
) -> ScheduleRun | None:
    """Record the first run that did not start because the schedule stopped. Later ones are not recorded."""
    *missed, last = *open_.missed, open_.due
    if last is None and missed:
        last = missed.pop()
    for run_time in missed:
        record_missed(session, schedule, run_time, next_came=False, now=now)
    return None if last is None else _record(session, schedule, last, RunOutcome.STOPPED, reason_code, now=now)


def stop_is_recorded(schedule: Schedule | type[Schedule]) -> ColumnElement[bool]:
    """Return, as SQL, whether a run since the schedule last became active records that it stopped."""
    return exists().where(
        ScheduleRun.practice_id == schedule.practice_id,
        ScheduleRun.schedule_id == schedule.id,
        ScheduleRun.outcome == RunOutcome.STOPPED,
        ScheduleRun.created_at >= schedule.active_since,
    )


def note_failure(
    session: Session, practice_id: int, schedule_id: int, run_date: dt.date, reason_code: str, *, now: dt.datetime
) -> None:
    """Remember that a try of this run failed, once for each reason, so that it is not recorded as missed."""
    if reason_code not in _failure_reasons(session, practice_id, schedule_id, run_date):
        subject = Subject.of("schedule", schedule_id, practice_id=practice_id)
        facts = {"night": run_date.isoformat(), "because": reason_code}
        audit.record(session, _FAILURE_ACT, subject, by=None, now=now, **facts)


def _failure_reasons(session: Session, practice_id: int, schedule_id: int, run_date: dt.date) -> set[str]:
    """Return the reasons why tries of this run failed."""
    noted = select(AuditEntry.facts["because"].as_string()).where(
        *Subject.of("schedule", schedule_id, practice_id=practice_id).matches(),
        AuditEntry.act == _FAILURE_ACT,
        AuditEntry.facts["night"].as_string() == run_date.isoformat(),
    )
    return set(session.scalars(noted))


def _record(
    session: Session, schedule: Schedule, run_time: RunTime, outcome: RunOutcome, reason_code: str, *, now: dt.datetime
) -> ScheduleRun:
    return runs.record_run(
        session, schedule, outcome, reason_code=reason_code, local_date=run_time.date, due_at=run_time.instant, now=now
    )


def _minutes(count: int) -> dt.timedelta:
    return dt.timedelta(minutes=count)

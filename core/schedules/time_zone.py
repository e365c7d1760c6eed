"""The practice's time zone, which determines its dates and the times of scheduled runs."""

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.enums.schedules import ScheduleState
from core.models.practices import Practice
from core.models.schedules import Schedule
from core.practices import practice_queries
from core.practices.create import checked_time_zone
from core.schedules import descriptions, missed_runs, run_times


def set_time_zone(session: Session, name: str, *, by: Actor, now: dt.datetime) -> Practice:
    """Change the practice's time zone. Raise `BadTimeZone`, `NotAllowed` and `VerificationNeeded`.

    Existing postings and jobs keep their dates. No run starts twice. A run whose deadline has already passed in the new
    zone is recorded as missed for that reason.
    """
    by.require(Action.CHANGE_SETTING)
    by.require_verified()
    zone = checked_time_zone(name)
    schedules = _lock_active(session, by.practice_id)
    practice = practice_queries.lock_practice(session, by.practice_id)
    if practice.time_zone == zone:
        return practice
    was, practice.time_zone = practice.time_zone, zone
    missed = _record_runs_that_stop(session, schedules, was=was, zone=zone, now=now)
    facts = {"from": was, "to": zone, "nights_missed": missed}
    audit.record(session, "time_zone.changed", practice, by=by, now=now, **facts)
    return practice


def _lock_active(session: Session, practice_id: int) -> list[Schedule]:
    """Lock and return the practice's active schedules in order, before the practice, as a tick does."""
    active = (
        Schedule.practice_id == practice_id,
        Schedule.deleted_at.is_(None),
        Schedule.state == ScheduleState.ACTIVE,
    )
    locked = select(Schedule).where(*active).order_by(Schedule.id).with_for_update(key_share=True)
    return list(session.scalars(locked.execution_options(populate_existing=True)))


def _record_runs_that_stop(
    session: Session, schedules: list[Schedule], *, was: str, zone: str, now: dt.datetime
) -> int:
    """Record the runs that no longer start in the new zone. Return their number.

    Runs whose deadline had also passed in the old zone were missed for a different reason.
    """
    missed = 0
    for schedule in schedules:
        before = missed_runs.undecided_runs(session, schedule, ZoneInfo(was), now=now)
        _keep_counting_the_same_runs(schedule, was=ZoneInfo(was), zone=ZoneInfo(zone))
        after = missed_runs.undecided_runs(session, schedule, ZoneInfo(zone), now=now)
        missed_before = {run_time.date: run_time for run_time in before.missed}
        for run_time in after.missed:  # all of them, because runs are decided in order
            if run_time.date in missed_before:
                missed_runs.record_missed(
                    session, schedule, missed_before[run_time.date], next_came=before.due is not None, now=now
                )
            else:
                missed_runs.record_skipped(session, schedule, run_time, descriptions.TIME_ZONE_CHANGED, now=now)
        missed += len(after.missed)
    return missed


def _keep_counting_the_same_runs(schedule: Schedule, *, was: ZoneInfo, zone: ZoneInfo) -> None:
    """Keep a run that is still to come, even if in the new zone it starts before the schedule was created."""
    first = run_times.first(schedule, was)
    if first is not None:
        begins = run_times.instant(first.date, schedule.local_time, zone)
        schedule.active_since = min(schedule.active_since, begins)

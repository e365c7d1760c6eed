"""The practice's time zone: by it nights begin, and days are counted."""

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.models.practices import Practice
from core.models.schedules import Schedule, ScheduleState
from core.practices import queries
from core.practices.create import known_zone
from core.schedules import descriptions, missed_runs, run_times


def set_time_zone(session: Session, name: str, *, by: Actor, now: dt.datetime) -> Practice:
    """Let the practice's days and nights go by this zone from now on. Raises `BadTimeZone` and `NotAllowed`.

    What was posted keeps its date, a job its day. No night comes twice; one whose deadline has passed by the new clock
    is written down as missed, for that reason.
    """
    by.require(Action.CHANGE_SETTING)
    zone = known_zone(name)
    schedules = _lock_active(session, by.practice_id)
    practice = queries.locked(session, by.practice_id)
    if practice.time_zone == zone:
        return practice
    was, practice.time_zone = practice.time_zone, zone
    subject = f"practice:{practice.id}"
    facts = {
        "from": was,
        "to": zone,
        "nights_missed": _record_runs_that_stop(session, schedules, was=was, zone=zone, now=now),
    }
    audit.record(
        session, "time_zone.changed", practice_id=practice.id, subject=subject, by=by.user_id, now=now, **facts
    )
    return practice


def _lock_active(session: Session, practice_id: int) -> list[Schedule]:
    """The practice's active schedules, locked in order: before the practice, as a tick does."""
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
    """Write down the nights that do not run any more by the new clock; give how many.

    Those whose deadline was past by the old clock too were missed for a reason of their own.
    """
    missed = 0
    for schedule in schedules:
        before = missed_runs.still_open(session, schedule, ZoneInfo(was), now=now)
        _count_the_same_nights(schedule, was=ZoneInfo(was), zone=ZoneInfo(zone))
        after = missed_runs.still_open(session, schedule, ZoneInfo(zone), now=now)
        missed_before = {night.date: night for night in before.missed}
        for night in after.missed:  # all of them: nights are decided in order
            if night.date in missed_before:
                missed_runs.miss(
                    session, schedule, missed_before[night.date], next_came=before.due is not None, now=now
                )
            else:
                missed_runs.leave_out(session, schedule, night, descriptions.TIME_ZONE_CHANGED, now=now)
        missed += len(after.missed)
    return missed


def _count_the_same_nights(schedule: Schedule, *, was: ZoneInfo, zone: ZoneInfo) -> None:
    """A night that was still to come counts, though by the new clock it began before somebody made the schedule."""
    first = run_times.first(schedule, was)
    if first is not None:
        begins = run_times.instant(first.date, schedule.local_time, zone)
        schedule.counts_from = min(schedule.counts_from, begins)

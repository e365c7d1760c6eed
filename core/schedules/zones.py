"""What a new time zone does to the nights of a practice's schedules."""

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.schedules import due, nights, words
from core.schedules.models import Schedule, ScheduleState


def hold(session: Session, practice_id: int) -> list[Schedule]:
    """The practice's active schedules, locked in order: before the practice, as a tick does."""
    active = (
        Schedule.practice_id == practice_id,
        Schedule.deleted_at.is_(None),
        Schedule.state == ScheduleState.ACTIVE,
    )
    locked = select(Schedule).where(*active).order_by(Schedule.id).with_for_update(key_share=True)
    return list(session.scalars(locked.execution_options(populate_existing=True)))


def changed(session: Session, schedules: list[Schedule], *, was: str, zone: str, now: dt.datetime) -> int:
    """Write down the nights that do not run any more by the new clock; give how many.

    Those whose deadline was past by the old clock too were missed for a reason of their own.
    """
    missed = 0
    for schedule in schedules:
        before = nights.still_open(session, schedule, ZoneInfo(was), now=now)
        _count_the_same_nights(schedule, was=ZoneInfo(was), zone=ZoneInfo(zone))
        after = nights.still_open(session, schedule, ZoneInfo(zone), now=now)
        missed_before = {night.date: night for night in before.missed}
        for night in after.missed:  # all of them: nights are decided in order
            if night.date in missed_before:
                nights.miss(session, schedule, missed_before[night.date], next_came=before.due is not None, now=now)
            else:
                nights.leave_out(session, schedule, night, words.TIME_ZONE_CHANGED, now=now)
        missed += len(after.missed)
    return missed


def _count_the_same_nights(schedule: Schedule, *, was: ZoneInfo, zone: ZoneInfo) -> None:
    """A night that was still to come counts, though by the new clock it began before somebody made the schedule."""
    first = due.first(schedule, was)
    if first is not None:
        begins = due.instant(first.date, schedule.local_time, zone)
        schedule.counts_from = min(schedule.counts_from, begins)

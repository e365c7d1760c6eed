"""What a new time zone does to the nights of a practice's schedules."""

import datetime as dt
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.schedules import due, runs, words
from core.schedules.models import RunOutcome, Schedule, ScheduleRun, ScheduleState


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
    """Write down the nights that were still to come by the old clock and whose deadline is past by the new one."""
    missed = 0
    for schedule in schedules:
        of_schedule = (ScheduleRun.practice_id == schedule.practice_id, ScheduleRun.schedule_id == schedule.id)
        last = session.scalar(select(func.max(ScheduleRun.local_date)).where(*of_schedule))
        since = last + dt.timedelta(days=1) if last else None
        before, after = (due.nights(schedule, ZoneInfo(name), now, (), since).missed for name in (was, zone))
        if {night.date for night in after} <= {night.date for night in before}:
            continue  # the tick says what came of those
        for night in after:  # all of them: nights are decided in order
            runs.record(
                session, schedule, RunOutcome.MISSED, because=words.TIME_ZONE_CHANGED, local_date=night.date,
                due_at=night.instant, now=now,
            )  # fmt: skip
        missed += len(after)
    return missed

"""The tick: start the nights that are due. Any number of ticks may run at once; one job a night comes of it.

A night is decided in one transaction, with the schedule's row locked: its run, its job and the missed nights before it.
A crash leaves nothing, and the next tick begins anew, until the night's deadline.
"""

import datetime as dt
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.models import AuditEntry, User
from core.db.engine import Sessions, transaction
from core.db.transient import is_transient
from core.jobs.freezing import practice_as_it_is
from core.jobs.keys import JobKey
from core.jobs.models import ChunkState, JobChunk, JobStatus, SettleJob
from core.practices.models import Practice
from core.practices.periods import PeriodBusy
from core.schedules import due, mail, owners, runs, words
from core.schedules.due import Night, Nights
from core.schedules.models import RunOutcome, Schedule, ScheduleRun, ScheduleState
from core.settings import HINTS_PER_CONFIRM_MAX

log: Final = structlog.get_logger(__name__)

NIGHTS_PER_TICK_MAX: Final = 20  # a few seconds of previews: the sweep stands in the same line
_FAILED: Final = "schedule.night_failed"


class Ticked(NamedTuple):
    """What is worth a message: jobs with free chunks (and how many), previews to prepare, mail, another tick."""

    work: list[tuple[JobKey, int]]
    prepare: list[JobKey]
    has_mail: bool
    more_to_do: bool


class _Key(NamedTuple):
    practice_id: int
    schedule_id: int


def tick(sessions: Sessions, *, now: dt.datetime) -> Ticked:
    """Start every night that is due, say what came of those that were missed, and stop what nobody answers for."""
    with transaction(sessions) as session:
        waiting = _waiting(session, now=now)
    begun: list[JobKey] = []
    decided = 0
    for key in waiting:
        if decided == NIGHTS_PER_TICK_MAX:
            break
        run = _decide_or_log(sessions, key, now=now)
        decided += run is not None
        if run is not None and run.job_id is not None:
            begun.append(JobKey(run.practice_id, run.job_id))
    with transaction(sessions) as session:
        work, prepare = _hints(session, begun)
        has_mail = mail.queue(session, now=now)
    return Ticked(work, prepare, has_mail, more_to_do=decided == NIGHTS_PER_TICK_MAX)


def _waiting(session: Session, *, now: dt.datetime) -> list[_Key]:
    """The schedules of which something is to be decided, the one that waits longest first. Nothing is locked."""
    of_schedule = and_(
        ScheduleRun.practice_id == Schedule.practice_id,
        ScheduleRun.schedule_id == Schedule.id,
    )
    last = select(func.max(ScheduleRun.local_date)).where(of_schedule).correlate(Schedule).scalar_subquery()
    said_so = exists().where(
        of_schedule, ScheduleRun.outcome == RunOutcome.STOPPED, ScheduleRun.begun_at >= Schedule.counts_from
    )
    live = and_(
        Schedule.deleted_at.is_(None),
        Schedule.state != ScheduleState.PAUSED,
        ~and_(Schedule.state == ScheduleState.STOPPED, said_so),
    )
    rows = session.execute(
        select(Schedule, Practice.time_zone, User, last)
        .join(Practice, Practice.id == Schedule.practice_id)
        .join(User, User.id == Schedule.owner_id)
        .where(live)
    )
    found: list[tuple[dt.datetime, _Key]] = []
    for schedule, time_zone, owner, last_date in rows:
        open_ = _open_nights(schedule, ZoneInfo(time_zone), now, last_date)
        newest = open_.due or (open_.missed[-1] if open_.missed else None)
        stops = schedule.state is ScheduleState.ACTIVE and owners.why_not(owner) is not None
        if newest is not None or stops:
            found.append((newest.instant if newest else now, _Key(schedule.practice_id, schedule.id)))
    return [key for _, key in sorted(found)]


def _open_nights(schedule: Schedule, zone: ZoneInfo, now: dt.datetime, last_date: dt.date | None) -> Nights:
    """Nights are decided in order, so that the last one decided says all."""
    since = None if last_date is None else last_date + dt.timedelta(days=1)
    return due.nights(schedule, zone, now, (), since)


def _decide_or_log(sessions: Sessions, key: _Key, *, now: dt.datetime) -> ScheduleRun | None:
    """Decide one schedule's nights, whatever happens; give the run of the newest, if there is one."""
    try:
        with transaction(sessions) as session:
            return _decide(session, key, now=now)
    except Exception as error:  # one schedule never stops the others; its night is tried again
        log.exception("schedule_night_failed", practice_id=key.practice_id, schedule_id=key.schedule_id)
        if not is_transient(error) and not isinstance(error, PeriodBusy):
            with transaction(sessions) as session:
                _note_failure(session, key, now=now)
        return None


def _decide(session: Session, key: _Key, *, now: dt.datetime) -> ScheduleRun | None:
    this = (Schedule.practice_id == key.practice_id, Schedule.id == key.schedule_id, Schedule.deleted_at.is_(None))
    free = select(Schedule).where(*this).with_for_update(key_share=True, skip_locked=True)
    schedule = session.scalars(free.execution_options(populate_existing=True)).one_or_none()
    if schedule is None or schedule.state is ScheduleState.PAUSED:
        return None  # another tick, or a person, is at it
    owner = owners.held(session, schedule.owner_id)
    stopped_because = schedule.stopped_because or owners.why_not(owner)
    if schedule.state is ScheduleState.ACTIVE and stopped_because is not None:
        _stop(session, schedule, stopped_because, now=now)
    zone = ZoneInfo(practice_as_it_is(session, key.practice_id).time_zone)
    of_schedule = (ScheduleRun.practice_id == key.practice_id, ScheduleRun.schedule_id == key.schedule_id)
    last_date = session.scalar(select(func.max(ScheduleRun.local_date)).where(*of_schedule))
    open_ = _open_nights(schedule, zone, now, last_date)
    if stopped_because is not None:
        return _say_that_it_stopped(session, schedule, open_, stopped_because, now=now)
    run = None
    for night in open_.missed:
        run = _miss(session, schedule, night, next_came=open_.due is not None, now=now)
    if open_.due is None:
        return run
    return runs.begin(session, schedule, owner, local_date=open_.due.date, due_at=open_.due.instant, now=now)


def _stop(session: Session, schedule: Schedule, because: str, *, now: dt.datetime) -> None:
    schedule.state, schedule.stopped_because = ScheduleState.STOPPED, because
    subject = f"schedule:{schedule.id}"
    audit.record(
        session, "schedule.stopped", practice_id=schedule.practice_id, subject=subject, by=None, now=now,
        because=because, owner=schedule.owner_id,
    )  # fmt: skip


def _say_that_it_stopped(
    session: Session, schedule: Schedule, open_: Nights, because: str, *, now: dt.datetime
) -> ScheduleRun | None:
    """Write down the first night that did not come for it; those that follow are not said one by one."""
    *missed, last = *open_.missed, open_.due
    if last is None and missed:
        last = missed.pop()
    for night in missed:
        _miss(session, schedule, night, next_came=False, now=now)
    if last is None:
        return None
    return runs.record(
        session, schedule, RunOutcome.STOPPED, because=because, local_date=last.date, due_at=last.instant, now=now
    )


def _miss(session: Session, schedule: Schedule, night: Night, *, next_came: bool, now: dt.datetime) -> ScheduleRun:
    in_time = now - night.instant <= dt.timedelta(minutes=schedule.late_minutes)
    outcome, because = RunOutcome.MISSED, words.NEXT_NIGHT_CAME if next_came and in_time else words.TOO_LATE
    if _was_noted(session, _Key(schedule.practice_id, schedule.id), since=night.instant):
        outcome, because = RunOutcome.FAILED, words.BROKE
    return runs.record(
        session, schedule, outcome, because=because, local_date=night.date, due_at=night.instant, now=now
    )


def _note_failure(session: Session, key: _Key, *, now: dt.datetime) -> None:
    """Remember that the night broke, so that at its deadline it is not called missed."""
    if not _was_noted(session, key, since=now - dt.timedelta(hours=1)):
        subject = f"schedule:{key.schedule_id}"
        audit.record(session, _FAILED, practice_id=key.practice_id, subject=subject, by=None, now=now)


def _was_noted(session: Session, key: _Key, *, since: dt.datetime) -> bool:
    noted = exists().where(
        AuditEntry.practice_id == key.practice_id,
        AuditEntry.at >= since,
        AuditEntry.act == _FAILED,
        AuditEntry.subject == f"schedule:{key.schedule_id}",
    )
    return bool(session.scalar(select(noted)))


def _hints(session: Session, begun: list[JobKey]) -> tuple[list[tuple[JobKey, int]], list[JobKey]]:
    work, prepare = [], []
    for key in begun:
        status = session.scalars(select(SettleJob.status).where(*key.of(SettleJob))).one()
        if status is JobStatus.PREPARING:
            prepare.append(key)
        elif status is JobStatus.CONFIRMED:
            open_ = select(JobChunk.first_position).where(*key.of(JobChunk), JobChunk.state == ChunkState.OPEN)
            some = open_.limit(HINTS_PER_CONFIRM_MAX).subquery()
            work.append((key, session.scalars(select(func.count()).select_from(some)).one()))
    return work, prepare

"""The tick: start the scheduled runs that are due. Any number of ticks may run at once; each run starts once.

One transaction decides a run with the schedule's row locked: the run, its job and the missed runs before it. After a
crash, the next tick starts over, until the run's deadline.
"""

import datetime as dt
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from sqlalchemy import BigInteger, Boolean, Text, and_, column, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.db.transient import is_transient
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.enums.schedules import ScheduleState
from core.jobs.execution import chunks
from core.jobs.execution.sweep import WorkFound
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.models.practices import Practice
from core.models.schedules import Schedule, ScheduleRun
from core.schedules import descriptions, missed_runs, owner_check, run_mail, run_times, runs
from core.schedules.runs import BUSY_REFUSALS

log: Final = structlog.get_logger(__name__)

RUNS_PER_TICK_MAX: Final = 20  # a few seconds of previews, because the sweep waits in the same queue
# A worker sees the schedules of every practice, and no users.
_OWNERS: Final = func.schedule_owners().table_valued(
    column("id", BigInteger), column("active", Boolean), column("role", Text), name="owner"
)


class TickResult(NamedTuple):
    """What needs a hint: the runs' jobs, another tick."""

    jobs: WorkFound
    more_to_do: bool


class _Key(NamedTuple):
    practice_id: int
    schedule_id: int


class _PendingSchedule(NamedTuple):
    """A schedule with something to decide."""

    since: dt.datetime
    key: _Key
    run_date: dt.date | None  # the run that may still start


def tick(sessions: Sessions, *, now: dt.datetime) -> TickResult:
    """Start every run that is due, record missed runs, and stop schedules whose owner lost the right."""
    with transaction(sessions) as session:
        timeouts.set_timeouts(session)
        waiting = _pending_schedules(session, now=now)
    begun: list[JobKey] = []
    decided = 0
    for one in waiting:
        if decided == RUNS_PER_TICK_MAX:
            break
        run = _decide_or_log(sessions, one, now=now)
        decided += run is not None
        if run is not None and run.job_id is not None:
            begun.append(JobKey(run.practice_id, run.job_id))
    with transaction(sessions) as session:
        timeouts.set_timeouts(session)
        jobs = _hints(session, begun, now=now)
        run_mail.release(session, now=now)
    return TickResult(jobs, more_to_do=decided == RUNS_PER_TICK_MAX)


def _pending_schedules(session: Session, *, now: dt.datetime) -> list[_PendingSchedule]:
    """Return the schedules with something to decide, longest waiting first, without locking."""
    of_schedule = and_(
        ScheduleRun.practice_id == Schedule.practice_id,
        ScheduleRun.schedule_id == Schedule.id,
    )
    last = select(func.max(ScheduleRun.local_date)).where(of_schedule).correlate(Schedule).scalar_subquery()
    live = and_(
        Schedule.deleted_at.is_(None),
        Schedule.state != ScheduleState.PAUSED,
        ~and_(Schedule.state == ScheduleState.STOPPED, missed_runs.stop_is_recorded(Schedule)),
    )
    rows = session.execute(
        select(Schedule, Practice.time_zone, _OWNERS.c.active, _OWNERS.c.role, last)
        .join(Practice, Practice.id == Schedule.practice_id)
        .join(_OWNERS, _OWNERS.c.id == Schedule.owner_id)
        .where(live)
    )
    found: list[_PendingSchedule] = []
    for schedule, time_zone, is_active, role, last_date in rows:
        key = _Key(schedule.practice_id, schedule.id)
        try:
            zone = ZoneInfo(time_zone)
        except ZoneInfoNotFoundError:  # this machine's time zone list lacks the practice's zone
            log.error("time_zone_unknown", practice_id=key.practice_id, schedule_id=key.schedule_id)  # noqa: TRY400
            continue
        since = None if last_date is None else last_date + dt.timedelta(days=1)
        open_ = run_times.pending_runs(schedule, zone, now, (), since)
        newest = open_.due or (open_.missed[-1] if open_.missed else None)
        may_not = owner_check.reason_may_not(Role(role), is_active=is_active)
        stops = schedule.state is ScheduleState.ACTIVE and may_not is not None
        if newest is not None or stops:
            run_date = open_.due.date if open_.due else None
            found.append(_PendingSchedule(newest.instant if newest else now, key, run_date))
    return sorted(found, key=lambda one: one[:2])


def _decide_or_log(sessions: Sessions, waiting: _PendingSchedule, *, now: dt.datetime) -> ScheduleRun | None:
    """Decide one schedule's runs and log any error. Return the newest run, if any."""
    key = waiting.key
    try:
        with transaction(sessions, key.practice_id) as session:
            timeouts.set_timeouts(session)
            return _decide(session, key, now=now)
    except Exception as error:  # one schedule must not stop the others; its run is tried again
        log.exception("scheduled_run_failed", practice_id=key.practice_id, schedule_id=key.schedule_id)
        _note_failure(sessions, waiting, error, now=now)
        return None


def _decide(session: Session, key: _Key, *, now: dt.datetime) -> ScheduleRun | None:
    this = (Schedule.practice_id == key.practice_id, Schedule.id == key.schedule_id, Schedule.deleted_at.is_(None))
    free = select(Schedule).where(*this).with_for_update(key_share=True, skip_locked=True)
    schedule = session.scalars(free.execution_options(populate_existing=True)).one_or_none()
    if schedule is None or schedule.state is ScheduleState.PAUSED:
        return None  # another tick or a user has locked it
    owner = authorize.lock_users(session, [schedule.owner_id])[schedule.owner_id]
    stopped_because = schedule.stopped_because or owner_check.reason_owner_may_not(owner)
    if schedule.state is ScheduleState.ACTIVE and stopped_because is not None:
        _stop(session, schedule, stopped_because, now=now)
    open_ = missed_runs.undecided_runs(session, schedule, missed_runs.lock_time_zone(session, key.practice_id), now=now)
    if stopped_because is not None:
        return missed_runs.record_stop(session, schedule, open_, stopped_because, now=now)
    run = None
    for run_time in open_.missed:
        run = missed_runs.record_missed(session, schedule, run_time, next_came=open_.due is not None, now=now)
    if open_.due is None:
        return run
    return runs.start_run(session, schedule, owner, local_date=open_.due.date, due_at=open_.due.instant, now=now)


def _stop(session: Session, schedule: Schedule, because: str, *, now: dt.datetime) -> None:
    schedule.state, schedule.stopped_because = ScheduleState.STOPPED, because
    facts = {"because": because, "owner": schedule.owner_id}
    audit.record(session, "schedule.stopped", schedule, by=None, now=now, **facts)


def _note_failure(sessions: Sessions, waiting: _PendingSchedule, error: Exception, *, now: dt.datetime) -> None:
    """Remember that the run failed, and how, so that it is not recorded as missed at its deadline."""
    if waiting.run_date is None:
        return
    because = (
        descriptions.DATABASE_BUSY
        if is_transient(error) or isinstance(error, BUSY_REFUSALS)
        else descriptions.UNEXPECTED_ERROR
    )
    key = waiting.key
    try:
        with transaction(sessions, key.practice_id) as session:
            timeouts.set_timeouts(session)
            missed_runs.note_failure(session, *key, waiting.run_date, because, now=now)
    except DBAPIError as failed:  # an unavailable database cannot record this either; the run is tried again
        log.warning("scheduled_run_failure_not_recorded", schedule_id=key.schedule_id, error=type(failed).__name__)


def _hints(session: Session, begun: list[JobKey], *, now: dt.datetime) -> WorkFound:
    hints = WorkFound([], [])
    for key in begun:
        status = session.scalars(select(SettleJob.status).where(*key.of(SettleJob))).one()
        if status is JobStatus.PREPARING:
            hints.prepare.append(key)
        elif status is JobStatus.CONFIRMED:
            hints.work.append((key, chunks.count_available(session, key, now=now)))
    return hints

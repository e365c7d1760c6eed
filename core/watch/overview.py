"""The state of the whole installation for operations: practices by id, and no claims and no names."""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core import zone_database
from core.db.engine import Sessions
from core.enums.job_items import ChunkState
from core.enums.jobs import IN_PROGRESS_STATUSES, JobStatus
from core.enums.schedules import RunOutcome, ScheduleState
from core.jobs.keys import JobKey
from core.jobs.results import progress
from core.jobs.results.progress import Progress
from core.models.job_items import JobChunk
from core.models.jobs import SettleJob
from core.models.operations import Process
from core.models.practices import Practice
from core.models.schedules import Schedule, ScheduleRun
from core.schedules import run_times
from core.version import product_version
from core.watch import heartbeat, statistics
from core.watch.deadline import QueryBudget
from core.zone_database import ZoneDatabase

JOBS_MAX: Final = 100  # jobs shown; the rest is a count
SCHEDULES_MAX: Final = 50
FAILURES_WITHIN: Final = dt.timedelta(hours=24)
MISSED_WITHIN: Final = dt.timedelta(days=7)
STOPPED_SHOWN_FOR: Final = dt.timedelta(minutes=15)  # how long a properly stopped process is still listed
SLOW_SECONDS: Final = 1.0

NEEDS_DECISION_STATUSES: Final = (JobStatus.HALTED, JobStatus.PAUSED, JobStatus.AWAITING_APPROVAL)


class ChunkInProgress(NamedTuple):
    """A chunk that a worker has taken."""

    job: JobKey
    first: int
    last: int
    seconds: float


@dataclass(frozen=True)
class ProcessStatus:
    """A process of the last day: whether it is running, and its current work."""

    kind: str
    host: str
    pid: int
    version: str
    started_at: dt.datetime
    seen_seconds: float
    is_alive: bool
    has_stopped: bool
    queues: tuple[str, ...]
    doing: tuple[ChunkInProgress, ...]
    time_zones: str | None = None  # version of its time zone database; beat does not report it


class RunToWatch(NamedTuple):
    """A scheduled run that is due or was missed."""

    practice_id: int
    schedule_id: int
    at: dt.datetime
    reason_code: str | None = None


@dataclass(frozen=True)
class RunsToWatch:
    """The number of active schedules, the runs that are due, and those missed in the last week."""

    active: int
    due: tuple[RunToWatch, ...]
    missed: tuple[RunToWatch, ...]


@dataclass(frozen=True)
class Jobs:
    """Jobs in progress, and jobs that need a user."""

    moving: dict[JobKey, Progress]
    resting: dict[JobKey, Progress]
    by_status: dict[JobStatus, int]
    previews_waiting: int

    @property
    def waiting(self) -> int:
        """Return how much work has waited for a minute: jobs without progress, and previews without a worker."""
        return self.stalled + self.previews_waiting

    @property
    def stalled(self) -> int:
        """Return how many of the listed jobs made no progress for a minute."""
        return sum(one.stalled_because is not None for one in self.moving.values())


@dataclass(frozen=True)
class LastTicks:
    """When the schedules were last checked, and when beat was last seen."""

    last_seconds: float | None
    beat_seconds: float | None


@dataclass(frozen=True)
class Overview:
    """Everything as of `at`. A part is None if its query was too slow or failed."""

    at: dt.datetime
    asked_seconds: float  # duration of all queries
    processes: tuple[ProcessStatus, ...] | None
    ticks: LastTicks | None
    jobs: Jobs | None
    chunks: statistics.OpenChunks | None
    runs: RunsToWatch | None
    failures: dict[str, int] | None
    mismatches: int | None
    database_version: str | None
    product_version: str
    time_zones: ZoneDatabase  # of the current process
    time_stamps: statistics.TimeStamps | None = None

    @property
    def is_slow(self) -> bool:
        """Return whether the queries were slow."""
        return self.asked_seconds > SLOW_SECONDS

    @property
    def is_partial(self) -> bool:
        """Return whether a part is missing."""
        parts = (self.processes, self.ticks, self.jobs, self.chunks, self.runs, self.failures, self.mismatches)
        return any(part is None for part in parts)


def fetch_overview(sessions: Sessions, *, now: dt.datetime) -> Overview:
    """Query every part on its own, all under one deadline. Raise what the driver raises without a database."""
    began, budget = time.perf_counter(), QueryBudget(sessions)

    def ask(question: Callable[..., Any]) -> Any:
        return budget.ask(lambda session: question(session, now=now))

    parts = {
        "processes": ask(_processes),
        "ticks": ask(_ticks),
        "jobs": ask(_jobs),
        "chunks": ask(statistics.open_chunks),
        "runs": ask(_runs),
        "failures": ask(lambda session, now: statistics.failures_by_code(session, since=now - FAILURES_WITHIN)),
        "time_stamps": ask(statistics.count_time_stamps),
        "mismatches": ask(lambda session, now: statistics.mismatches(session)),  # noqa: ARG005  `ask` passes `now`
        "database_version": ask(lambda session, now: statistics.server_version(session)),  # noqa: ARG005
    }
    took = time.perf_counter() - began
    version, zones = product_version(), zone_database.current_database()
    return Overview(at=now, asked_seconds=took, product_version=version, time_zones=zones, **parts)


def _processes(session: Session, *, now: dt.datetime) -> tuple[ProcessStatus, ...]:
    hands = _chunks_in_progress(session, now=now)
    processes = heartbeat.recent(session)
    return tuple(_process_status(one, hands, now=now) for one in processes if _is_of_interest(one, now=now))


def _is_of_interest(one: Process, *, now: dt.datetime) -> bool:
    return one.stopped_at is None or now - one.stopped_at <= STOPPED_SHOWN_FOR


def _process_status(one: Process, hands: dict[str, list[ChunkInProgress]], *, now: dt.datetime) -> ProcessStatus:
    host, pid = str(one.details.get("host", "")), int(one.details.get("pid", 0))
    doing = [chunk for member in one.details.get("pool", ()) for chunk in hands.get(f"{host}:{member}", ())]
    return ProcessStatus(
        kind=one.kind, host=host, pid=pid, version=one.version, started_at=one.started_at,
        seen_seconds=max(0.0, (now - one.seen_at).total_seconds()), is_alive=heartbeat.is_alive(one, now=now),
        has_stopped=one.stopped_at is not None, queues=tuple(one.details.get("queues", ())), doing=tuple(doing),
        time_zones=one.details.get("time_zones"),
    )  # fmt: skip


def _chunks_in_progress(session: Session, *, now: dt.datetime) -> dict[str, list[ChunkInProgress]]:
    """Return the chunks in progress by worker (host and process), newest first."""
    # A pausing job counts too, because its workers finish their chunks. No worker is working
    # on the taken chunks of a stopped job.
    of_job = and_(SettleJob.practice_id == JobChunk.practice_id, SettleJob.id == JobChunk.job_id)
    taken = and_(
        JobChunk.state == ChunkState.OPEN, JobChunk.taken_at.is_not(None), SettleJob.status.in_(IN_PROGRESS_STATUSES)
    )
    columns = (JobChunk.practice_id, JobChunk.job_id, JobChunk.first_position, JobChunk.last_position)
    found: dict[str, list[ChunkInProgress]] = {}
    statement = select(*columns, JobChunk.taken_by, JobChunk.taken_at).join(SettleJob, of_job).where(taken)
    recent = statement.order_by(JobChunk.taken_at.desc()).limit(heartbeat.PROCESSES_MAX)
    for practice, job, first, last, by, at in session.execute(recent):
        seconds = 0.0 if at is None else max(0.0, (now - at).total_seconds())
        found.setdefault(str(by), []).append(ChunkInProgress(JobKey(practice, job), first, last, seconds))
    return found


def _ticks(session: Session, *, now: dt.datetime) -> LastTicks:
    ticked, beat = heartbeat.last_tick(session), heartbeat.last_beat(session)
    return LastTicks(*(None if at is None else max(0.0, (now - at).total_seconds()) for at in (ticked, beat)))


def _jobs(session: Session, *, now: dt.datetime) -> Jobs:
    return Jobs(
        moving=progress.for_all_practices(session, IN_PROGRESS_STATUSES, now=now, limit=JOBS_MAX),
        resting=progress.for_all_practices(session, NEEDS_DECISION_STATUSES, now=now, limit=JOBS_MAX),
        by_status=statistics.jobs_by_status(session),
        previews_waiting=progress.previews_waiting(session, now=now),
    )


def _runs(session: Session, *, now: dt.datetime) -> RunsToWatch:
    live = and_(Schedule.state == ScheduleState.ACTIVE, Schedule.deleted_at.is_(None))
    of_schedule = and_(ScheduleRun.practice_id == Schedule.practice_id, ScheduleRun.schedule_id == Schedule.id)
    last = select(func.max(ScheduleRun.local_date)).where(of_schedule).correlate(Schedule).scalar_subquery()
    statement = (
        select(Schedule, Practice.time_zone, last).join(Practice, Practice.id == Schedule.practice_id).where(live)
    )
    rows = session.execute(statement).all()
    waiting = []
    for schedule, zone, decided in rows:
        since = None if decided is None else decided + dt.timedelta(days=1)
        pending = run_times.pending_runs(schedule, ZoneInfo(zone), now, (), since)
        newest = pending.due or (
            pending.missed[-1] if pending.missed else None
        )  # too late to start, but not recorded yet
        if newest is not None:
            waiting.append(RunToWatch(schedule.practice_id, schedule.id, newest.instant))
    missed = select(
        ScheduleRun.practice_id, ScheduleRun.schedule_id, ScheduleRun.due_at, ScheduleRun.reason_code
    ).where(ScheduleRun.outcome == RunOutcome.MISSED, ScheduleRun.due_at >= now - MISSED_WITHIN)
    recent = session.execute(missed.order_by(ScheduleRun.due_at.desc()).limit(SCHEDULES_MAX))
    due_now = sorted(waiting, key=lambda run: run.at)[:SCHEDULES_MAX]
    return RunsToWatch(len(rows), tuple(due_now), tuple(RunToWatch(*row) for row in recent))

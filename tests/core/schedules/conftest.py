"""A practice in New York with schedules, and a clock that the test sets."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import select, update

from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.enums.people import Role
from core.jobs import prepare
from core.jobs.keys import JobKey
from core.models.jobs import SettleJob
from core.models.people import User
from core.models.schedules import Schedule, ScheduleRun
from core.schedules import reports, schedule_commands, schedule_queries, tick, time_zone
from core.schedules.reports import RunReport
from core.schedules.requests import ScheduleRequest
from core.schedules.tick import TickResult
from tests.factories import GivenPractice, a_practice

EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def at(text: str) -> dt.datetime:
    """Return a UTC datetime from text such as "2026-11-24 07:30"."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


CREATED_AT = at("2026-11-23 15:00")  # a Monday, 10:00 AM in New York
FIRST_RUN = at("2026-11-24 07:30")  # 2:30 AM in New York


@dataclass
class ScheduledPractice:
    """A practice and its scheduled runs, on a clock that the test sets."""

    practice: GivenPractice
    owner: Actor
    approver: Actor
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def sessions(self) -> Sessions:
        return self.practice.sessions

    def schedule(self, *, now: dt.datetime = CREATED_AT, settles: bool = True, **options: Any) -> int:
        """Create a schedule for small balances at 2:30 AM, without caps by default. Return its id."""
        with transaction(self.sessions) as session:
            made = schedule_commands.create(session, a_request(**options), by=self.owner, now=now)
            if settles:
                schedule_commands.start_settling(
                    session, made.id, confirmation="CONFIRM", version=made.version, by=self.owner, now=now
                )
        return made.id

    def read(self, schedule_id: int) -> Schedule:
        with self.sessions() as session:
            found = select(Schedule).where(Schedule.practice_id == self.practice.id, Schedule.id == schedule_id)
            return session.scalars(found).one()

    def tick(self, now: dt.datetime) -> TickResult:
        return tick.tick(self.sessions, now=now)

    def runs(self, schedule_id: int | None = None) -> list[ScheduleRun]:
        """Return all runs, oldest first."""
        with self.sessions() as session:
            return list(reversed(schedule_queries.list_runs(session, self.practice.id, schedule_id, limit=10_000)))

    def run(self) -> ScheduleRun:
        """Return the only run."""
        (only,) = self.runs()
        return only

    def outcomes(self) -> list[tuple[str, str, str | None]]:
        """Return the date, outcome and reason of each run."""
        return [(str(run.local_date), run.outcome.value, run.reason_code) for run in self.runs()]

    def job(self, run: ScheduleRun) -> SettleJob:
        with self.sessions() as session:
            return session.get_one(SettleJob, (run.practice_id, run.job_id))

    def job_key(self) -> JobKey:
        """Return the key of the only run's job."""
        run = self.run()
        assert run.job_id is not None
        return JobKey(run.practice_id, run.job_id)

    def jobs(self) -> list[SettleJob]:
        with self.sessions() as session:
            return list(session.scalars(select(SettleJob).order_by(SettleJob.id)))

    def work(self, now: dt.datetime) -> None:
        """Do the workers' work: prepare jobs and settle them."""
        for job in self.jobs():
            with transaction(self.sessions) as session:
                prepare.prepare(session, JobKey(job.practice_id, job.id), now=now)
        self.practice.run(now=now)

    def report(self, run: ScheduleRun, now: dt.datetime) -> RunReport:
        with self.sessions() as session:
            return reports.report_for_run(session, run, now=now)

    def act(self, what: Any, schedule_id: int, *, now: dt.datetime, **more: Any) -> Any:
        """Apply a command of the owner to a schedule."""
        with transaction(self.sessions) as session:
            return what(session, schedule_id, **{"by": self.owner, "now": now, **more})

    def run_now(self, schedule_id: int, key: str, *, now: dt.datetime = CREATED_AT) -> ScheduleRun:
        run: ScheduleRun = self.act(schedule_commands.run_now, schedule_id, key=key, now=now)
        return run

    def move_to(self, zone: str, *, now: dt.datetime) -> None:
        with transaction(self.sessions) as session:
            time_zone.set_time_zone(session, zone, by=self.owner, now=now)

    def user(self, actor: Actor, **columns: Any) -> None:
        """Change a user from another session."""
        with transaction(self.sessions) as session:
            session.execute(update(User).where(User.id == actor.user_id).values(**columns))


def a_request(**options: Any) -> ScheduleRequest:
    """Return a request for every day at 2:30 AM: every claim with a balance of at most $1,000."""
    standard = {
        "name": "Small balances",
        "filter": {"total_due_max_cents": 100_000},
        "local_time": "02:30",
        "weekdays": EVERY_DAY,
        "reason": "small_balance",
        "claims_max": "unlimited",
        "cents_max": "unlimited",
    }
    return ScheduleRequest.of({**standard, **options})


@pytest.fixture
def scheduled(sessions: Sessions) -> ScheduledPractice:
    """A practice in New York that writes off both balances, with a schedule owner and an approver."""
    practice = a_practice(sessions)
    owner = practice.person("owner@lakeside.example", Role.ADMIN)
    return ScheduledPractice(practice, owner, practice.person("approver@lakeside.example", Role.APPROVER))

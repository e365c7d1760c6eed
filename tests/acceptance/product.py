"""The product as practices run it, with real servers, workers and a web process, and the actions of tests on it."""

import datetime as dt
import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kombu.exceptions import OperationalError
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from core.db.engine import Sessions, make_engine, make_sessions, transaction
from core.enums.jobs import FINAL_STATUSES, JobStatus
from core.jobs import commands
from core.jobs.keys import JobKey
from core.jobs.results.progress import Progress
from core.models.job_items import JobChunk
from core.settings import QUEUE_CONTROL, TASK_SWEEP, TASK_WORK
from tests.factories import GivenPractice, a_practice
from tests.servers import broker_client
from tests.waiting import eventually
from tests.workers import Workers, running_workers

PATIENCE_SECONDS = 90  # the sweep comes every ten seconds, and several test suites may share two cores

BEAT_SECONDS = 1  # where the source of the beat does not matter: faster than the product's ten, to save time

_numbers = itertools.count(1)


def utc_now() -> dt.datetime:
    """Return the real time, which the workers use."""
    return dt.datetime.now(dt.UTC)


class Hold:
    """Another session that holds a lock until it is released."""

    def __init__(self, engine: Engine, statement: str, values: dict[str, Any]) -> None:
        """Run `statement` to take its lock."""
        self._engine = engine
        self._connection = engine.connect()
        self._connection.execute(text(statement), values)
        self.pid = self._connection.scalar(text("SELECT pg_backend_pid()"))

    def waiting(self) -> int:
        """Return how many sessions wait for the lock."""
        with self._engine.connect() as watcher:
            count = text("SELECT count(*) FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))")
            return int(watcher.scalar(count, {"pid": self.pid}) or 0)

    def wait_for_a_worker(self) -> None:
        """Wait until a session waits for the lock."""
        eventually(self.waiting, seconds=PATIENCE_SECONDS)

    def release(self) -> None:
        """Release the lock. A second call changes nothing."""
        with suppress(DBAPIError):  # a restarted server has already released it
            self._connection.rollback()
        self._connection.close()


@dataclass
class Product:
    """Workers on a database and a broker. `practice` creates practices in it.

    With `beats` it sends the sweep's hint while it waits for a job, as beat does.
    """

    engine: Engine
    database_url: str
    broker_url: str
    workers: Workers
    beats: bool = True
    sessions: Sessions = field(init=False)
    _beaten_at: float = 0.0

    def __post_init__(self) -> None:
        self.sessions = make_sessions(self.engine)

    def practice(self, *, claims: int = 0) -> GivenPractice:
        """Create a practice for one test, so that tests of a module do not affect each other."""
        made = a_practice(self.sessions, name=f"clinic{next(_numbers)}")
        made.claims(claims)
        return made

    def confirm(self, practice: GivenPractice, *claims: str, chunk_claims: int = 1_000, key: str = "key") -> JobKey:
        """Preview and confirm a job of these claims (or all) without a hint, as the command does.

        Workers find it within a second, so a test must take its locks before.
        """
        job = self.preview(practice, *claims, chunk_claims=chunk_claims, key=key)
        practice.confirm(job, now=utc_now())
        return job

    def preview(self, practice: GivenPractice, *claims: str, chunk_claims: int = 1_000, key: str = "key") -> JobKey:
        """Preview a job of these claims (or all)."""
        selection = {"claim_ids": list(claims)} if claims else None
        return practice.preview(selection, chunk_claims=chunk_claims, now=utc_now(), key=key)

    def hint(self, job: JobKey, *, times: int = 1) -> None:
        """Send the job's hint as the web application does."""
        for _ in range(times):
            self.workers.hint(TASK_WORK, *job)

    def sweep(self) -> None:
        """Send the sweep's hint as beat does."""
        self.workers.hint(TASK_SWEEP, queue=QUEUE_CONTROL)

    def _beat(self) -> None:
        if self.beats and time.monotonic() - self._beaten_at >= BEAT_SECONDS:
            self._beaten_at = time.monotonic()
            with suppress(OperationalError):  # the broker is away, and a later hint may arrive
                self.sweep()

    def cancel(self, practice: GivenPractice, job: JobKey) -> None:
        """Request a cancellation."""
        with transaction(self.sessions) as session:
            commands.cancel(session, job, by=practice.biller, now=utc_now())

    @contextmanager
    def hold(self, statement: str, **values: Any) -> Iterator[Hold]:
        """Hold the lock of `statement` for the duration of the block, or until it is released."""
        hold = Hold(self.engine, statement, values)
        try:
            yield hold
        finally:
            hold.release()

    def hold_line(self, practice: GivenPractice, claim: str) -> Any:
        """Lock the claim's service lines, so that a worker stops in the middle of its chunk."""
        return self.hold(
            "SELECT 1 FROM line_item WHERE practice_id = :practice AND claim_id = :claim FOR UPDATE",
            practice=practice.id,
            claim=practice.read(claim).id,
        )

    @contextmanager
    def worker_at_line(
        self, practice: GivenPractice, claim: str, *, chunk_claims: int = 1_000, hints: int = 1
    ) -> Iterator[tuple[JobKey, Hold]]:
        """Confirm a job of all claims, and hold a worker at the claim's lines, in the middle of its chunk."""
        with self.hold_line(practice, claim) as line:
            job = self.confirm(practice, chunk_claims=chunk_claims)
            self.hint(job, times=hints)
            line.wait_for_a_worker()
            yield job, line

    def hold_chunk(self, job: JobKey, *, first: int) -> Any:
        """Lock a chunk, so that the worker that finished the one before finds none free."""
        return self.hold(
            "SELECT 1 FROM job_chunk WHERE practice_id = :practice AND job_id = :job AND first_position = :first "
            "FOR UPDATE",
            practice=job.practice_id,
            job=job.job_id,
            first=first,
        )

    def hold_job(self, job: JobKey) -> Any:
        """Lock the job's row, so that chunks commit but the step after a chunk waits."""
        return self.hold(
            "SELECT 1 FROM settle_job WHERE practice_id = :practice AND id = :job FOR NO KEY UPDATE",
            practice=job.practice_id,
            job=job.job_id,
        )

    def chunks(self, job: JobKey) -> list[JobChunk]:
        """Return the job's chunks, in order."""
        with self.sessions() as session:
            return list(session.scalars(select(JobChunk).where(*job.of(JobChunk)).order_by(JobChunk.first_position)))

    def worker_of(self, job: JobKey, *, chunk: int = 0) -> int:
        """Return the id of the process that last took a chunk."""
        taken_by = self.chunks(job)[chunk].taken_by
        assert taken_by is not None, "no worker took it"
        return int(taken_by.rpartition(":")[2])

    def kill_worker_of(self, job: JobKey, *, chunk: int = 0) -> None:
        """Send SIGKILL to the pool process that took a chunk."""
        os.kill(self.worker_of(job, chunk=chunk), signal.SIGKILL)

    def wait_until_it_ends(self, practice: GivenPractice, job: JobKey) -> Progress:
        """Wait until the job is completed or canceled. Return its progress."""

        def ended() -> Progress | None:
            self.workers.keep_up()
            self._beat()
            seen = practice.progress(job, now=utc_now())
            assert seen.status is not JobStatus.HALTED, seen
            return seen if seen.status in FINAL_STATUSES else None

        seen = eventually(ended, seconds=PATIENCE_SECONDS)
        assert seen is not None
        return seen

    def assert_all_settled(self, practice: GivenPractice, job: JobKey) -> None:
        """Wait for the job's end. Assert that each of its claims is settled once and that the invariants hold."""
        seen = self.wait_until_it_ends(practice, job)
        assert (seen.status, seen.settled, seen.remaining) == (JobStatus.COMPLETED, seen.total, 0)
        assert practice.violations() == []


@contextmanager
def running_product(*, folder: Path, database_url: str, broker_url: str, **variables: str) -> Iterator[Product]:
    """Start the workers. At the end, none of their processes is left."""
    engine = make_engine(database_url, pool_size=10)
    broker_client(broker_url).flushall()
    try:
        with running_workers(folder=folder, database_url=database_url, broker_url=broker_url, **variables) as workers:
            yield Product(engine, database_url, broker_url, workers)
    finally:
        engine.dispose()

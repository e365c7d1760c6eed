"""Jobs of a benchmark, previewed, confirmed and run by real workers as the product does it."""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from celery import Celery
from sqlalchemy import select

from core.access.permissions import Actor
from core.db.engine import Sessions, make_engine, make_sessions, transaction
from core.enums.jobs import JobStatus
from core.jobs import commands, prepare
from core.jobs.keys import JobKey
from core.jobs.preview.job_request import JobRequest
from core.jobs.results.progress import Progress, for_job
from core.local.guardian import Guardian
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.settings import BROKER_TRANSPORT_OPTIONS, HINTS_PER_CONFIRM_MAX, QUEUE_SETTLE, TASK_WORK
from tests.benchmarks.measure import Watch
from tests.benchmarks.places import Place
from tests.workers import Workers, running_workers

LOOK_SECONDS: Final = 0.02  # long enough that polling costs the workers no time
EVERYTHING: Final[dict[str, Any]] = {"all": True}


@dataclass(frozen=True)
class Sizes:
    """How many claims each row has, and how often it is measured."""

    settled: int = 100_000
    by_task: int = 5_000
    by_orm_chunk: int = 20_000
    many: int = 1_000_000
    few: int = 50
    imported: int = 1_000_000  # service lines
    x12_claims: int = 2_000
    x12_bytes: int = 500_000_000
    times: int = 3


def utc_now() -> dt.datetime:
    """Return the time of the benchmark's clock."""
    return dt.datetime.now(dt.UTC)


@contextmanager
def sessions_on(url: str) -> Iterator[Sessions]:
    """Yield a session maker on a database. Disconnect at the end."""
    engine = make_engine(url)
    try:
        yield make_sessions(engine)
    finally:
        engine.dispose()


def preview(sessions: Sessions, by: Actor, *, selection: dict[str, Any] | None = None, key: str = "one") -> JobKey:
    """Request a job and freeze it, either in the request or as a worker does."""
    request = JobRequest.of({"selection": selection or EVERYTHING, "reason": "small_balance"})
    with transaction(sessions) as session:
        job = commands.request_preview(session, request, by=by, idempotency_key=key, now=utc_now())
        job_key = JobKey(job.practice_id, job.id)
    with transaction(sessions) as session:
        prepare.prepare(session, job_key, now=utc_now())
    return job_key


def confirm(sessions: Sessions, job: JobKey, by: Actor) -> None:
    """Confirm the job."""
    with transaction(sessions) as session:
        commands.confirm(session, job, confirmation="CONFIRM", by=by, now=utc_now())


def progress(sessions: Sessions, job: JobKey) -> Progress:
    """Return the job's progress."""
    with sessions() as session:
        return for_job(session, job, now=utc_now())


def wait_for(sessions: Sessions, job: JobKey) -> Progress:
    """Poll until the job is over. Fail unless it completed."""
    status = select(SettleJob.status).where(*job.of(SettleJob))
    while True:
        with sessions() as session:
            over = session.scalars(status).one() not in (JobStatus.CONFIRMED, JobStatus.RUNNING)
        if over:
            seen = progress(sessions, job)
            assert seen.status is JobStatus.COMPLETED, seen
            return seen
        time.sleep(LOOK_SECONDS)


class Crew:
    """Real workers on one database, and a way to send them hints."""

    def __init__(self, workers: Workers, app: Celery) -> None:
        """Keep both."""
        self.workers = workers
        self._app = app

    def hint(self, job: JobKey, *, times: int = HINTS_PER_CONFIRM_MAX) -> None:
        """Send hints as confirming does."""
        for _ in range(times):
            self._app.send_task(TASK_WORK, args=tuple(job), queue=QUEUE_SETTLE, retry=False)


@contextmanager
def crew(place: Place, database: str, *, processes: int = 2) -> Iterator[Crew]:
    """Start the workers of an installation: `processes` processes that settle, and one for control."""
    workers = running_workers(
        folder=place.folder, database_url=place.url(database), broker_url=place.broker_url,
        by=Guardian,  # a fork's memory contains what it shares
        WORKER_CONCURRENCY=str(processes),
    )  # fmt: skip
    with workers as running, Celery(broker=place.broker_url) as app:
        app.conf.update(broker_transport_options=BROKER_TRANSPORT_OPTIONS, task_ignore_result=True)
        yield Crew(running, app)


def run(sessions: Sessions, job: JobKey, by: Actor, workers: Crew, watch: Watch) -> Progress:
    """Confirm, send hints and wait. The watch starts before CONFIRM and stops when the job is completed."""
    chunks = progress(sessions, job).chunks_open
    workers.hint(job, times=1)  # does nothing but connect to the broker, as a web process would have done already
    with watch.running():
        confirm(sessions, job, by)
        workers.hint(job, times=min(chunks, HINTS_PER_CONFIRM_MAX))
        return wait_for(sessions, job)


def claim_numbers(sessions: Sessions, practice_id: int, *, skipped: int, count: int) -> list[str]:
    """Return the numbers of some of a practice's claims, oldest first."""
    of_practice = select(Claim.external_id).where(Claim.practice_id == practice_id)
    with sessions() as session:
        return list(session.scalars(of_practice.order_by(Claim.id).offset(skipped).limit(count)))


def hot_updates(url: str, *tables: str) -> dict[str, float]:
    """Return the share of each table's updates that stayed on their page."""
    with psycopg.connect(url, autocommit=True) as connection:
        time.sleep(1.5)  # a busy backend reports its counts once a second
        rows = connection.execute(
            "SELECT relname, n_tup_hot_upd::float / greatest(n_tup_upd, 1) FROM pg_stat_user_tables"
            " WHERE relname = ANY(%s)",
            [list(tables)],
        )
        return dict(rows.fetchall())

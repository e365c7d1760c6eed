"""What workers and beats report to monitoring, with real processes."""

import datetime as dt
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text

from core import zone_database
from core.db.engine import Sessions, transaction
from core.jobs.keys import JobKey
from core.local import programs
from core.local.guardian import StopPolicy
from core.models.operations import Process
from core.settings import QUEUE_CONTROL, TASK_SWEEP, TASK_TICK, TASK_WORK, Settings
from core.version import product_version
from core.watch import heartbeat, overview, statistics
from core.watch.heartbeat import BEAT, WORKER
from tests.acceptance.product import PATIENCE_SECONDS
from tests.factories import a_practice
from tests.forks import ForkingGuardian
from tests.roles import as_worker
from tests.servers import broker_client
from tests.waiting import eventually
from tests.worker.conftest import Shared
from tests.workers import Workers, running_workers
from tests.zone_files import OLD, a_database
from webui.shared import hints


def processes(sessions: Sessions, kind: str) -> list[Process]:
    with sessions() as session:
        return [one for one in heartbeat.recent(session) if one.kind == kind]


@pytest.fixture
def beat(worker: Workers, database_url: str, broker_url: str, tmp_path: Path) -> Iterator[int]:
    """Run a beat. Return its process id."""
    urls = {"SETTLE_DATABASE_URL": as_worker(database_url), "SETTLE_BROKER_URL": broker_url}
    with ForkingGuardian() as guardian:
        log = tmp_path / "beat.log"
        yield guardian.start(programs.beat(Settings()), log=log, env={**os.environ, **urls}, ending=StopPolicy()).pid


def test_each_worker_reports_its_heartbeat_and_its_stop(worker: Workers, sessions: Sessions) -> None:
    def living() -> dict[int, list[str]]:
        now = dt.datetime.now(dt.UTC)
        found = [one for one in processes(sessions, WORKER) if heartbeat.is_alive(one, now=now)]
        return {one.details["pid"]: one.details["queues"] for one in found}

    both = {worker.settle.pid: ["settle"], worker.control.pid: ["control"]}
    eventually(lambda: living() == both, seconds=PATIENCE_SECONDS)
    pools = [len(one.details["pool"]) for one in processes(sessions, WORKER)]
    assert sorted(pools) == [1, Settings().worker_concurrency]

    worker.settle.stop()
    assert living() == {worker.control.pid: ["control"]}
    worker.control.kill()
    assert living() == {worker.control.pid: ["control"]}, "a killed worker only stops sending heartbeats"


@pytest.mark.slow  # test_zone_database.py proves the choice for each process without starting it
def test_a_worker_and_a_beat_on_a_host_with_old_time_zones_use_the_newest(
    database_url: str, broker_url: str, sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONTZPATH", a_database(tmp_path / "zones", OLD, version="2025b"))
    newest = zone_database.current_database()
    with running_workers(folder=tmp_path, database_url=database_url, broker_url=broker_url) as workers:
        eventually(lambda: len(processes(sessions, WORKER)) == 2, seconds=PATIENCE_SECONDS)
        assert {one.details["time_zones"] for one in processes(sessions, WORKER)} == {newest.version}
        eventually(lambda: "time_zone_database" in workers.control.log_text(), seconds=PATIENCE_SECONDS)
        (line,) = [json.loads(line) for line in workers.control.log_text().splitlines() if "time_zone_database" in line]
        assert (line["level"], line["version"], line["source"]) == ("info", newest.version, "wheel")
        with ForkingGuardian() as guardian:
            log, urls = (
                tmp_path / "beat.log",
                {"SETTLE_DATABASE_URL": as_worker(database_url), "SETTLE_BROKER_URL": broker_url},
            )
            guardian.start(programs.beat(Settings()), log=log, env={**os.environ, **urls}, ending=StopPolicy())
            eventually(
                lambda: log.exists() and f'"version": "{newest.version}"' in log.read_text(), seconds=PATIENCE_SECONDS
            )


def test_a_beat_is_known_by_the_ticks_that_arrived_from_it(beat: int, worker: Workers, sessions: Sessions) -> None:
    worker.hint(TASK_SWEEP, queue=QUEUE_CONTROL)  # sent without a beat
    eventually(lambda: processes(sessions, BEAT), seconds=PATIENCE_SECONDS)

    assert [(one.details["pid"], one.version) for one in processes(sessions, BEAT)] == [(beat, product_version())]


def test_a_tick_from_any_sender_counts_as_the_last_tick(shared: Shared) -> None:
    def last_tick() -> dt.datetime | None:
        with shared.sessions() as session:
            return heartbeat.last_tick(session)

    before = last_tick()

    shared.workers.hint(TASK_TICK, queue=QUEUE_CONTROL)

    eventually(lambda: last_tick() != before, seconds=PATIENCE_SECONDS)
    assert processes(shared.sessions, BEAT) == []


def test_a_worker_in_the_middle_of_a_chunk_is_shown_with_it(shared: Shared) -> None:
    worker, sessions = shared.workers, shared.sessions
    practice = a_practice(sessions)
    practice.claims(4)
    now = dt.datetime.now(dt.UTC)
    job = practice.preview(now=now)

    def doing() -> set[int]:
        seen = overview.fetch_overview(sessions, now=dt.datetime.now(dt.UTC))
        assert seen.processes is not None
        return {chunk.job.job_id for one in seen.processes if one.pid == worker.settle.pid for chunk in one.doing}

    with transaction(sessions) as locker:
        locker.execute(text("SELECT 1 FROM line_item FOR UPDATE"))
        practice.confirm(job, now=now)
        worker.hint(TASK_WORK, *job)
        eventually(lambda: doing() == {job.job_id}, seconds=PATIENCE_SECONDS)
    eventually(lambda: practice.counts(job)["settled"] == 4, seconds=PATIENCE_SECONDS)
    assert practice.violations() == []


def test_the_request_id_is_on_the_workers_log_lines_and_its_counts_are_flushed(
    worker: Workers, sessions: Sessions, broker_url: str
) -> None:
    practice = a_practice(sessions)
    sender = hints.Hints(broker_url)
    jobs: list[JobKey] = []

    def lines(**fields: object) -> list[dict[str, object]]:
        """Return the workers' log lines about chunks that contain all the given fields."""
        found = [json.loads(line) for line in worker.settle.log_text().splitlines() if line.startswith("{")]
        chunks = [line for line in found if line["event"] == "chunk_settled"]
        return [line for line in chunks if fields.items() <= line.items()]

    def is_settled_by_a_hint() -> bool:
        """Confirm one more claim with a hint. A process that polls at that moment may be faster."""
        now, (claim,) = dt.datetime.now(dt.UTC), practice.claims(1, first=len(jobs) + 1)
        jobs.append(practice.preview({"claim_ids": [claim]}, key=claim, now=now))
        practice.confirm(jobs[-1], now=now)
        with structlog.contextvars.bound_contextvars(request_id="a1b2c3"):
            sender.send(*jobs[-1])
        eventually(lambda: lines(job_id=jobs[-1].job_id), seconds=PATIENCE_SECONDS)
        return bool(lines(job_id=jobs[-1].job_id, first=1, task=TASK_WORK, request_id="a1b2c3"))

    eventually(is_settled_by_a_hint, seconds=PATIENCE_SECONDS)
    for line in lines(hinted=False):
        assert line["task"] == TASK_WORK
        assert "request_id" not in line, "a line about work that was found belongs to no request"
    assert len(lines()) == len(jobs)

    def chunks_flushed() -> float:
        with sessions() as session:
            tallies = statistics.counter_values(session)
        return sum(value for (name, label), value in tallies.items() if name == "chunk_seconds" and label != "sum")

    eventually(lambda: chunks_flushed() == len(jobs), seconds=PATIENCE_SECONDS)


def test_every_log_line_of_a_worker_is_one_json_event(shared: Shared) -> None:
    shared.workers.hint(TASK_WORK, 1, 1)
    eventually(lambda: broker_client(shared.broker_url).llen("settle:settle") == 0, seconds=PATIENCE_SECONDS)

    lines = [line for line in shared.workers.settle.log_text().splitlines() if line]
    assert lines
    assert all("event" in json.loads(line) for line in lines)

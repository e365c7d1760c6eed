"""`settle operations`: what needs somebody, first; exit 0 only if nothing does."""

import json

import pytest

from core import zone_database
from core.cli.context import utc_now
from core.db.engine import Sessions, transaction
from core.watch import heartbeat, overview
from core.watch.heartbeat import WORKER, ProcessInfo
from tests.core.cli.conftest import Typed
from tests.factories import a_practice


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is slow on a machine that others use too is no fault of the product."""
    monkeypatch.setattr(overview, "SLOW_SECONDS", 60.0)


def hear_a_worker(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        now = utc_now()
        heartbeat.beat(session, ProcessInfo(WORKER, "host", 3, "1", now, {"queues": ["settle"]}), now=now)


def test_without_a_worker_it_says_so_and_fails(typed: Typed) -> None:
    answer = typed("operations")

    assert answer.exit_code == 1
    assert answer.stdout.startswith("No worker is running.")


def test_it_shows_processes_and_jobs_by_id(typed: Typed, sessions: Sessions) -> None:
    hear_a_worker(sessions)
    practice = a_practice(sessions)
    practice.claims(2)
    job = practice.preview(now=utc_now())
    practice.confirm(job, now=utc_now())

    answer = typed("operations")

    assert answer.exit_code == 0, answer.stdout
    assert "worker   host:3 settle 1 alive, seen" in answer.stdout
    assert f"job      {job.job_id} of practice {practice.id}: confirmed, 0 of 2" in answer.stdout
    assert "chunks   1 open" in answer.stdout
    assert f"zones    time zone database {zone_database.in_use().words}" in answer.stdout


def test_it_tells_programs_the_same(typed: Typed, sessions: Sessions) -> None:
    hear_a_worker(sessions)

    answer = typed("operations", "--json")

    told = json.loads(answer.stdout)
    assert (answer.exit_code, told["wrong"], [one["pid"] for one in told["processes"]]) == (0, [], [3])
    assert told["time_zones"] == zone_database.in_use().as_json()

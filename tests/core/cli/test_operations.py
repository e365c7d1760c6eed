"""`settle operations` lists first what needs attention. It exits with 0 only if nothing does."""

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
    """Raise the limits for slowness, because the test machine may be busy."""
    monkeypatch.setattr(overview, "SLOW_SECONDS", 60.0)


def hear_a_worker(sessions: Sessions) -> None:
    with transaction(sessions) as session:
        now = utc_now()
        heartbeat.record_heartbeat(session, ProcessInfo(WORKER, "host", 3, "1", now, {"queues": ["settle"]}), now=now)


def test_without_a_worker_operations_reports_it_and_fails(typed: Typed) -> None:
    answer = typed("operations")

    assert answer.exit_code == 1
    assert answer.stdout.startswith("No worker is running.")


def test_operations_shows_processes_and_jobs_by_id(typed: Typed, sessions: Sessions) -> None:
    hear_a_worker(sessions)
    practice = a_practice(sessions)
    practice.claims(2)
    job = practice.preview(now=utc_now())
    practice.confirm(job, now=utc_now())

    answer = typed("operations")

    assert answer.exit_code == 0, answer.stdout
    assert "worker   host:3 settle 1 alive, seen" in answer.stdout
    assert f"job      {job.job_id} in practice {practice.id}: confirmed, 0 of 2" in answer.stdout
    assert "chunks   1 open" in answer.stdout
    assert f"zones    time zone database {zone_database.current_database().words}" in answer.stdout


def test_operations_is_available_as_json(typed: Typed, sessions: Sessions) -> None:
    hear_a_worker(sessions)

    answer = typed("operations", "--json")

    facts = json.loads(answer.stdout)
    assert (answer.exit_code, facts["wrong"], [one["pid"] for one in facts["processes"]]) == (0, [], [3])
    assert facts["time_zones"] == zone_database.current_database().as_json()

"""The health checks that a load balancer and an operator read."""

import datetime as dt
import socket
import threading
from typing import Any

import pytest
from sqlalchemy import select, text

from core import zone_database
from core.db.engine import Sessions, transaction
from core.models.jobs import SettleJob
from core.settings import Settings
from core.watch import heartbeat
from core.watch.heartbeat import WORKER, ProcessInfo
from tests.factories import NOW, a_practice
from tests.roles import as_web, as_worker
from webui.app import create_app


def _get(
    database_url: str, broker_url: str | None, path: str, *, at: dt.datetime = NOW
) -> tuple[int, dict[str, object]]:
    settings = Settings.model_validate({"database_url": as_web(database_url), "broker_url": broker_url})
    app = create_app(settings, clock=lambda: at)
    try:
        answer = app.test_client().get(path)
        return answer.status_code, answer.get_json()
    finally:
        app.extensions["settle"].engine.dispose()


def test_healthz_reports_a_live_process(database_url: str) -> None:
    assert _get(database_url, None, "/healthz") == (200, {"status": "ok"})


def hear_a_worker(sessions: Sessions, *, at: dt.datetime = NOW) -> None:
    with transaction(sessions) as session:
        heartbeat.record_heartbeat(session, ProcessInfo(WORKER, "host", 1, "1", NOW, {"queues": ["settle"]}), now=at)


def test_readyz_reports_ready_when_everything_works(database_url: str, broker_url: str, sessions: Sessions) -> None:
    hear_a_worker(sessions)
    zones = zone_database.current_database()
    assert _get(database_url, broker_url, "/readyz") == (
        200,
        {
            "status": "ready",
            "degraded": [],
            "reasons": {},
            "time_zones": {"version": zones.version, "source": zones.source},
        },
    )


def test_an_outdated_time_zone_database_is_reported_and_the_web_stays_ready(
    database_url: str, broker_url: str, sessions: Sessions
) -> None:
    years_later = NOW.replace(year=2100)
    hear_a_worker(sessions, at=years_later)
    status, answer = _get(database_url, broker_url, "/readyz", at=years_later)
    assert (status, answer["degraded"]) == (200, ["time_zones"])
    assert "is over a year old" in str(answer["reasons"])


def test_the_web_stays_ready_without_a_broker(database_url: str, sessions: Sessions) -> None:
    hear_a_worker(sessions)
    status, answer = _get(database_url, "redis://127.0.0.1:1/0", "/readyz")
    assert (status, answer["degraded"]) == (200, ["broker"])
    reason = str(answer["reasons"])
    assert "The broker's host refuses the connection." in reason
    assert "Workers find work on their own." in reason


def test_the_web_stays_ready_without_workers(database_url: str, broker_url: str, sessions: Sessions) -> None:
    hear_a_worker(sessions)
    status, answer = _get(database_url, broker_url, "/readyz", at=NOW + dt.timedelta(seconds=46))
    assert (status, answer["degraded"]) == (200, ["worker"])
    assert "no worker has reported" in str(answer["reasons"])


def test_a_job_that_no_worker_picks_up_is_reported(database_url: str, broker_url: str, sessions: Sessions) -> None:
    practice = a_practice(sessions)
    practice.claims(2)
    practice.confirmed()
    later = NOW + dt.timedelta(seconds=61)
    hear_a_worker(sessions, at=later)

    assert _get(database_url, broker_url, "/readyz")[1]["degraded"] == []
    answer = _get(database_url, broker_url, "/readyz", at=later)[1]
    assert answer["degraded"] == ["worker"]
    assert "a job has waited" in str(answer["reasons"])


def test_a_preview_that_no_worker_prepares_is_reported_until_one_does(
    database_url: str, broker_url: str, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 0)
    practice = a_practice(sessions)
    practice.claims(2)
    job = practice.preview()
    later = NOW + dt.timedelta(seconds=61)
    hear_a_worker(sessions, at=later)

    assert "a preview has waited" in str(_get(database_url, broker_url, "/readyz", at=later)[1]["reasons"])
    with transaction(sessions) as worker:
        worker.execute(select(SettleJob).where(*job.of(SettleJob)).with_for_update(key_share=True))
        assert _get(database_url, broker_url, "/readyz", at=later)[1]["degraded"] == []


def test_waiting_work_without_a_broker_is_reported_for_broker_and_worker(database_url: str, sessions: Sessions) -> None:
    practice = a_practice(sessions)
    practice.claims(2)
    practice.confirmed()
    later = NOW + dt.timedelta(seconds=61)
    hear_a_worker(sessions, at=later)

    status, answer = _get(database_url, "redis://127.0.0.1:1/0", "/readyz", at=later)

    assert (status, answer["degraded"]) == (200, ["broker", "worker"])
    assert "No worker is finding the waiting work" in str(answer["reasons"])


def test_a_missing_tick_is_reported(database_url: str, broker_url: str, sessions: Sessions) -> None:
    later = NOW + dt.timedelta(minutes=6)
    hear_a_worker(sessions, at=later)
    with transaction(sessions) as session:
        heartbeat.record_tick(session, now=NOW)

    status, answer = _get(database_url, broker_url, "/readyz", at=later)

    assert (status, answer["degraded"]) == (200, ["tick"])


def test_a_lost_database_is_not_ready(broker_url: str) -> None:
    status, answer = _get("postgresql://user@127.0.0.1:1/none", broker_url, "/readyz")
    assert (status, answer["cause"]) == (503, "refused")
    assert str(answer["reason"]).startswith("The database's host refuses the connection.")


def test_a_database_of_another_version_is_not_ready(database_url: str, broker_url: str, sessions: Sessions) -> None:
    with transaction(sessions) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    status, answer = _get(database_url, broker_url, "/readyz")

    assert (status, answer["cause"]) == (503, "not_migrated")
    assert "0001" in str(answer["reason"])
    assert "settle migrate" in str(answer["reason"])


def test_a_database_that_a_newer_version_migrated_is_still_ready(
    database_url: str, broker_url: str, sessions: Sessions
) -> None:
    """During an upgrade the old version keeps running on the migrated database."""
    hear_a_worker(sessions)
    with transaction(sessions) as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    assert _get(database_url, broker_url, "/readyz")[0] == 200


def test_an_endless_lookup_of_the_brokers_name_does_not_delay_the_answer(
    database_url: str, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear_a_worker(sessions)
    lookup_ends, real = threading.Event(), socket.getaddrinfo

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "redis.example":
            lookup_ends.wait()
            raise socket.gaierror
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    status, answer = _get(database_url, "redis://redis.example/0", "/readyz")
    lookup_ends.set()

    assert (status, answer["degraded"]) == (200, ["broker"])


def test_a_process_that_connects_as_the_owner_is_degraded(database_url: str, broker_url: str) -> None:
    app = create_app(
        Settings.model_validate({"database_url": database_url, "broker_url": broker_url}), clock=lambda: NOW
    )
    reasons = app.test_client().get("/readyz").get_json()["reasons"]
    app.extensions["settle"].engine.dispose()

    assert reasons["database_role"].startswith("This process connects to the database as the owner of the tables. Run")


def test_a_web_process_with_a_workers_role_is_not_ready(database_url: str) -> None:
    status, answer = _get(as_worker(database_url), None, "/readyz")

    assert (status, answer["cause"]) == (503, "wrong_role")

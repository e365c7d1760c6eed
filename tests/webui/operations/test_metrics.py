"""Metrics for Prometheus: exact to the claim and the cent, never decreasing, and available without the database."""

import datetime as dt
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from core.access import user_sessions
from core.db.engine import Sessions, transaction
from core.enums.claims import Hold
from core.enums.jobs import JobStatus
from core.jobs import commands
from core.policy.rules import RULES
from core.settings import Settings
from core.version import product_version
from core.watch import deadline, heartbeat, metrics, statistics, tally
from core.watch.heartbeat import WEB, WORKER, ProcessInfo
from core.watch.metric_names import FAILURE_CODES
from tests.factories import NOW, GivenPractice, a_practice
from tests.roles import as_web
from webui.app import create_app
from webui.shared.auth import SESSION_COOKIE

UNREACHABLE = "postgresql://user@127.0.0.1:1/none"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(autouse=True)
def _without_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CACHE_SECONDS", 0)
    tally._counts.clear()


@contextmanager
def an_app(database_url: str, at: dt.datetime = NOW, **settings: object) -> Iterator[FlaskClient]:
    given = Settings.model_validate({"database_url": as_web(database_url), "broker_url": None, **settings})
    app = create_app(given, clock=lambda: at)
    yield app.test_client()
    app.extensions["settle"].engine.dispose()


def scrape(client: FlaskClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(sample.name, frozenset(sample.labels.items())): sample.value for of in families for sample in of.samples}


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"settle_{name}", frozenset(labels.items())]


def fail(practice: GivenPractice, position: int, code: str) -> None:
    """Change the outcome of a settled item to failed, and adjust the counts of its chunk."""
    with transaction(practice.sessions) as session:
        where = {"position": position, "code": code}
        session.execute(text("UPDATE job_item SET outcome = 'failed', code = :code WHERE position = :position"), where)
        counted = (
            "UPDATE job_chunk SET settled = settled - 1, failed = failed + 1 WHERE :position BETWEEN first_position"
        )
        session.execute(text(f"{counted} AND last_position"), where)


def test_counted_claims_and_cents_equal_those_of_the_jobs(database_url: str, practice: GivenPractice) -> None:
    practice.claims(5, insurance=1_000, patient=500)
    practice.change("C00001", hold=Hold.APPEAL)
    job = practice.settle()
    with an_app(database_url) as client:
        found = scrape(client)

    assert of(found, "claims_total", kind="settle", outcome="settled") == 4
    assert of(found, "claims_total", kind="settle", outcome="skipped") == 1
    assert of(found, "claims_skipped_total", code="on_hold") == 1
    assert of(found, "written_off_cents_total", responsibility="insurance") == 4_000
    assert of(found, "written_off_cents_total", responsibility="patient") == 2_000
    assert of(found, "jobs", status=JobStatus.COMPLETED.value) == 1
    assert of(found, "chunk_seconds_count") == 1
    assert practice.counts(job)["settled"] == 4
    assert practice.violations() == []


def test_a_retry_never_lowers_a_counter_of_failures(database_url: str, practice: GivenPractice) -> None:
    practice.claims(3)
    job = practice.settle()
    fail(practice, 1, "worker_died")
    fail(practice, 2, "a_code_of_tomorrow")
    with an_app(database_url) as client:
        before = scrape(client)
        practice.act(commands.retry_failed, job)
        after = scrape(client)

    for found in (before, after):
        assert of(found, "claims_total", kind="settle", outcome="failed") == 2
        assert of(found, "claims_failed_total", code="worker_died") == 1
        assert of(found, "claims_failed_total", code="other") == 1
    falling = {
        key for key, value in before.items() if key[0].endswith(("_total", "_bucket", "_count")) and after[key] < value
    }
    assert falling == set()


def test_a_scrape_shows_what_waits_and_which_processes_are_alive(
    database_url: str, sessions: Sessions, practice: GivenPractice
) -> None:
    practice.claims(9)
    practice.confirmed({"claim_ids": [f"C{number:05}" for number in range(1, 9)]}, chunk_claims=4)
    preparing = practice.preview(key="not ready yet")
    practice.sql(f"UPDATE settle_job SET status = 'preparing', preview = NULL WHERE id = {preparing.job_id}")
    with transaction(sessions) as session:
        heartbeat.record_heartbeat(
            session, ProcessInfo(WORKER, "h", 1, "1", NOW, {"queues": ["settle"]}), now=NOW + dt.timedelta(seconds=90)
        )
        heartbeat.record_heartbeat(session, ProcessInfo(WEB, "h", 2, "1", NOW), now=NOW)
        heartbeat.record_tick(session, now=NOW + dt.timedelta(seconds=30))
        session.execute(text("UPDATE claim SET balance_mismatch = external_id = 'C00001'"))
    with an_app(database_url, at=NOW + dt.timedelta(seconds=100)) as client:
        found = scrape(client)

    assert (of(found, "chunks_open"), of(found, "oldest_open_chunk_seconds")) == (2, 100)
    assert of(found, "jobs_stalled") == 1
    assert of(found, "oldest_preparing_seconds") == 100
    assert (of(found, "processes", kind="worker"), of(found, "processes", kind="web")) == (1, 0)
    assert (of(found, "workers", queue="settle"), of(found, "workers", queue="control")) == (1, 0)
    assert of(found, "tick_age_seconds") == 70
    assert of(found, "ledger_mismatches") == 1
    assert (of(found, "database_up"), of(found, "broker_up"), of(found, "questions_unanswered")) == (1, 0, 0)


def test_the_tick_age_is_infinite_before_the_first_tick(database_url: str) -> None:
    with an_app(database_url) as client:
        assert of(scrape(client), "tick_age_seconds") == math.inf


def test_a_scrape_without_the_database_shows_what_the_process_itself_knows() -> None:
    with an_app(UNREACHABLE) as client:
        tally.count("hints_lost", "settle.work", 2)
        found = scrape(client)

    assert of(found, "database_up") == 0
    assert of(found, "build_info", version=product_version()) == 1
    assert of(found, "counts_untold") == 1
    assert not [name for name, _ in found if name.endswith("_total")], "Prometheus would read a count of 0 as a restart"


@pytest.fixture
def silent_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database that accepts every connection and never answers, like a frozen process."""
    folder = tmp_path_factory.mktemp("m")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / ".s.PGSQL.5432"))
        silent.listen(100)
        yield f"postgresql://user@/none?host={folder}"


def test_a_silent_database_delays_neither_a_scrape_nor_the_load_balancer(
    silent_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "WAIT_SECONDS", 0.2)
    with an_app(silent_database) as client:
        for _ in range(3):
            assert of(scrape(client), "database_up") == 0
        ready = client.get("/readyz")

    assert (ready.status_code, ready.json["cause"]) == (503, "silent")
    assert ready.json["reason"].startswith("The database did not answer within 3 seconds.")


def test_a_locked_table_leaves_out_only_its_own_metrics(
    database_url: str, practice: GivenPractice, engine: Engine
) -> None:
    with an_app(database_url) as client, engine.connect() as holder:
        holder.execute(text("LOCK TABLE job_chunk IN ACCESS EXCLUSIVE MODE"))
        found = scrape(client)

    assert (of(found, "database_up"), of(found, "questions_unanswered")) == (1, 3)  # jobs, claims, failures
    assert of(found, "approvals_waiting") == 0
    assert of(found, "mails_total", outcome="sent") == 0


def test_slow_queries_do_not_keep_other_metrics_from_being_collected(
    database_url: str, practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(session: Session, _: dt.datetime) -> Iterator[Metric]:
        session.execute(text("SELECT pg_sleep(30)"))
        yield from ()

    def slower(session: Session, now: dt.datetime) -> Iterator[Metric]:
        return slow(session, now)

    monkeypatch.setattr(deadline, "BUDGET_SECONDS", 2.5)
    monkeypatch.setattr(deadline, "QUERY_SECONDS", 0.8)
    monkeypatch.setattr(metrics, "_QUERIES", (slow, slower, *metrics._QUERIES))
    with an_app(database_url) as client:
        first, second = scrape(client), scrape(client)

    assert of(first, "database_up") == of(second, "database_up") == 1
    assert of(first, "questions_unanswered") >= 2
    assert of(second, "questions_unanswered") == 2
    assert of(second, "claims_total", kind="settle", outcome="settled") == 0


def test_an_unknown_status_of_another_version_fails_only_its_own_query(
    database_url: str, practice: GivenPractice, engine: Engine
) -> None:
    practice.claims(1)
    practice.settle()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE settle_job DROP CONSTRAINT job_status_known"))
        connection.execute(text("UPDATE settle_job SET status = 'tomorrow'"))
    with an_app(database_url) as client:
        found = scrape(client)

    assert (of(found, "database_up"), of(found, "questions_unanswered")) == (1, 1)
    assert of(found, "claims_total", kind="settle", outcome="settled") == 1


def test_live_processes_are_counted_among_many_dead_ones(database_url: str, sessions: Sessions) -> None:
    with transaction(sessions) as session:
        long_ago = NOW - dt.timedelta(hours=2)
        for pid in range(heartbeat.PROCESSES_MAX):
            heartbeat.record_heartbeat(session, ProcessInfo(WEB, "h", pid, "1", long_ago), now=long_ago)
        heartbeat.record_heartbeat(session, ProcessInfo(WORKER, "h", 9, "1", NOW, {"queues": ["settle"]}), now=NOW)
    with an_app(database_url) as client:
        found, ready = scrape(client), client.get("/readyz").json

    assert of(found, "workers", queue="settle") == 1
    assert "worker" not in ready["degraded"]
    with sessions() as session:
        assert "worker h:9" in {one.name for one in heartbeat.recent(session)}


def test_metrics_by_practice_are_shown_only_if_turned_on(database_url: str, practice: GivenPractice) -> None:
    practice.claims(1)
    practice.settle()
    with an_app(database_url) as client:
        assert "practice" not in {label for _, labels in scrape(client) for label, _ in labels}
    with an_app(database_url, metrics_by_practice=True) as client:
        found = scrape(client)
    assert of(found, "practice_written_off_cents_total", practice=str(practice.id), responsibility="patient") == 500


def test_practices_past_the_limit_are_counted_together_as_other(
    database_url: str, sessions: Sessions, practice: GivenPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "PRACTICES_MAX", 1)
    for number, one in enumerate((practice, a_practice(sessions, name="Second"), a_practice(sessions, name="Third"))):
        one.claims(number + 1)
        one.settle()
    with an_app(database_url, metrics_by_practice=True) as client:
        found = scrape(client)

    name = "practice_written_off_cents_total"
    assert of(found, name, practice=str(practice.id), responsibility="patient") == 500
    assert of(found, name, practice="other", responsibility="patient") == 2_500
    assert sum(sample == f"settle_{name}" for sample, _ in found) == 4


def test_labels_have_only_known_values(database_url: str, practice: GivenPractice) -> None:
    practice.claims(2)
    practice.settle(note="cousin of the mayor")
    with an_app(database_url) as client:
        client.get("/claims?patient=Quillfeather")
        found = scrape(client)

    codes = {rule.code for rule in RULES} | {*FAILURE_CODES, "other"}
    for _, labels in found:
        for label, value in labels:
            assert label != "code" or value in codes
            assert label in {"code", "kind", "outcome", "status", "task", "queue", "responsibility", "le", "version"}
    assert len(found) < 250


def test_a_metrics_token_is_required_once_it_is_set(database_url: str) -> None:
    token = "a-token-of-sixteen-or-more"
    with an_app(database_url, metrics_token=token) as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
            answer = client.get("/metrics", headers=headers)
            assert (answer.status_code, b"settle_" in answer.data) == (401, False)
        assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_the_feed_and_progress_are_timed_but_redirects_to_sign_in_are_not(
    database_url: str, sessions: Sessions, practice: GivenPractice
) -> None:
    practice.claims(1)
    job = practice.settle()
    with an_app(database_url) as client:
        client.get("/claims")
        with transaction(sessions) as session:
            client.set_cookie(SESSION_COOKIE, user_sessions.start(session, practice.biller, NOW))
        client.get("/claims")
        client.get(f"/jobs/{job.job_id}")
        client.get("/jobs/999")
        found = scrape(client)

    assert of(found, "feed_seconds_count") == 1
    assert of(found, "progress_seconds_count") == 1

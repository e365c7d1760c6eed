"""The Operations page: the whole installation for operators, without names of users or patients."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from core import zone_database
from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from core.enums.people import Role
from core.settings import Settings
from core.watch import heartbeat
from core.watch.heartbeat import BEAT, WEB, WORKER, ProcessInfo
from tests.factories import NOW, GivenPractice, a_practice
from tests.servers import broker_client
from tests.webui.conftest import Browser, Clock

OPEN = Callable[[Actor], Browser]
PAGE = "/operations"


def record_heartbeats(sessions: Sessions, *processes: ProcessInfo, at: dt.datetime = NOW) -> None:
    with transaction(sessions) as session:
        for process in processes:
            heartbeat.record_heartbeat(session, process, now=at)


def with_broker(app: Flask, url: str) -> None:
    settings = Settings.model_validate({"broker_url": url, "database_url": None})
    app.extensions["settle"] = replace(app.extensions["settle"], settings=settings)


def test_operators_land_on_the_operations_page(ops: Browser, biller: Browser, stranger: Browser) -> None:
    assert ops.get("/").location == PAGE
    assert biller.get("/").location == "/claims"
    assert stranger.get("/").location == "/sign-in"
    assert ops.links(PAGE)[1:4].count("/claims") == 0


def test_the_page_shows_the_time_zone_database_and_warns_when_it_is_outdated(
    ops: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"Time zone database {zone_database.current_database().words}" in ops.says(PAGE)
    assert "Install a newer tzdata wheel" not in ops.says(PAGE)

    monkeypatch.setattr(zone_database, "MINIMUM_RELEASE", "2999a")
    assert "Install a newer tzdata wheel" in ops.says(PAGE)


def test_the_page_shows_which_processes_are_alive_what_they_do_and_which_are_silent(
    ops: Browser, sessions: Sessions, practice: GivenPractice
) -> None:
    practice.claims(8)
    job = practice.confirmed(chunk_claims=4)
    record_heartbeats(
        sessions, ProcessInfo(WORKER, "old", 9, "0.0", NOW, {"queues": ["settle"]}), at=NOW - dt.timedelta(minutes=10)
    )
    record_heartbeats(
        sessions, ProcessInfo(WEB, "host", 1, "0.1.0", NOW), ProcessInfo(BEAT, "host", 2, "0.1.0", NOW),
        ProcessInfo(WORKER, "host", 3, "0.1.0", NOW, {"queues": ["settle"], "pool": [4]}),
    )  # fmt: skip
    with transaction(sessions) as session:
        at = {"at": NOW - dt.timedelta(seconds=2)}
        session.execute(text("UPDATE job_chunk SET taken_by = 'host:4', taken_at = :at WHERE first_position = 1"), at)

    shown = ops.says(PAGE)

    assert "1 worker alive" in shown
    assert f"job {job.job_id} in practice {practice.id}, claims 1–4, 2 seconds" in shown
    assert "old:9 Silent 10 minutes ago" in shown
    assert "beat host:2 Alive" in shown
    assert "0 seconds since the scheduler (beat) was last seen" in shown


def test_the_page_shows_no_claim_patient_user_or_dollar_amount(
    ops: Browser, sessions: Sessions, practice: GivenPractice
) -> None:
    other = a_practice(sessions, name="Elsewhere")
    for one in (practice, other):
        one.claims(3)
        one.confirmed(note="cousin of the mayor")

    page = ops.read(PAGE)

    assert f'aria-label="Job {2} in Flower"' in page
    for word in ("C00001", "The Patient", "biller", "Elsewhere", "cousin", "$"):
        assert word not in page, word


def test_the_page_reports_that_redis_is_down_and_shows_everything_else(
    ops: Browser, sessions: Sessions, practice: GivenPractice, app: Flask, mute_broker: str
) -> None:
    practice.claims(1)
    practice.confirmed()
    record_heartbeats(sessions, ProcessInfo(WORKER, "host", 3, "0.1.0", NOW, {"queues": ["settle"]}))
    for url in ("redis://127.0.0.1:1/0", mute_broker):
        with_broker(app, url)
        shown = ops.says(PAGE)
        assert "The broker (Redis) is not answering. Pages" in shown
        assert "work has waited" not in shown, "workers find work without it, so this is only a warning"
        assert "1 worker alive" in shown
        assert "Confirmed" in shown


def test_redis_down_while_work_waits_over_a_minute_is_more_than_a_warning(
    ops: Browser, practice: GivenPractice, app: Flask, clock: Clock
) -> None:
    practice.claims(1)
    practice.confirmed()
    with_broker(app, "redis://127.0.0.1:1/0")
    clock.turn_on(seconds=61)

    assert "is not answering, and work has been waiting for over a minute. Workers find work" in ops.says(PAGE)


def test_the_page_warns_of_a_preview_that_no_worker_prepares_for_a_minute(
    ops: Browser, practice: GivenPractice, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 0)
    practice.claims(1)
    practice.preview()
    assert "preview has waited" not in ops.says(PAGE)
    clock.turn_on(seconds=61)

    assert "1 preview has waited for a minute without a worker." in ops.says(PAGE)


def test_waiting_hints_are_counted_by_queue(ops: Browser, app: Flask, broker_url: str) -> None:
    broker_client(broker_url).rpush("settle:settle", "{}", "{}")
    with_broker(app, broker_url)

    shown = ops.says(PAGE)

    assert "2 queue depth (settle 2, control 0)" in shown
    assert "is not answering" not in shown


def test_the_page_shows_a_stalled_job_and_the_failures_of_the_last_24_hours(
    ops: Browser, browser_of: OPEN, practice: GivenPractice, clock: Clock, sessions: Sessions
) -> None:
    practice.claims(3)
    practice.settle()
    with transaction(sessions) as session:
        session.execute(text("UPDATE job_item SET outcome = 'failed', code = 'claim_locked' WHERE position = 1"))
        session.execute(text("UPDATE job_chunk SET settled = 2, failed = 1"))
    practice.claims(2, first=10)
    practice.confirmed(key="second")
    clock.turn_on(minutes=2)

    shown = ops.says(PAGE)

    assert "1 running job has made no progress for a minute." in shown
    assert "for over a minute: no worker is working on it" in shown
    assert "Locked by another user or process; gave up after five tries claim_locked 1" in shown
    clock.turn_on(hours=25)
    assert ops.actor is not None
    assert "No claim failed." in browser_of(ops.actor).says(PAGE)


@pytest.mark.parametrize(
    ("table", "available", "missing"),
    [
        ("job_chunk", "0 claims that don’t match the ledger", "– chunks open"),
        ("claim", "0 chunks open", "– claims that don’t match the ledger"),
    ],
)
def test_a_locked_table_leaves_only_its_own_values_missing(
    ops: Browser, engine: Engine, table: str, available: str, missing: str
) -> None:
    with engine.connect() as holder:
        holder.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
        shown = ops.says(PAGE)

    assert "Some values are missing because the database was too slow or a query failed. See the log." in shown
    assert missing in shown
    assert available in shown
    assert "No scheduled run is due" in shown


def test_the_page_refreshes_only_the_part_that_changes(ops: Browser) -> None:
    part = ops.get(PAGE, **{"X-Live": "1"})

    assert part.status_code == 200
    assert "<html" not in part.text
    assert "data-moving" in part.text


def test_an_administrator_opens_operations_only_on_a_one_machine_installation(
    app: Flask, practice: GivenPractice, biller: Browser, browser_of: OPEN
) -> None:
    admin = browser_of(practice.person("admin@lakeside.example", Role.ADMIN))
    practice.claims(1)
    job = practice.settle()
    assert admin.get(PAGE).status_code == 403
    assert PAGE not in admin.links("/claims")

    context = app.extensions["settle"]
    app.extensions["settle"] = replace(context, settings=context.settings.model_copy(update={"one_machine": True}))

    assert admin.get(PAGE).status_code == 200
    assert PAGE in admin.links("/claims")
    assert admin.get("/").location == "/claims"
    assert biller.get(PAGE).status_code == 403
    assert "Chunks" not in admin.says(f"/jobs/{job.job_id}"), "they are on the page Operations"

"""A failing schedule does not affect others; a failure before the commit leaves nothing; large runs finish alone."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text

from core import logs
from core.db import timeouts
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.models.people import AuditEntry
from core.models.schedules import ScheduleRun
from core.schedules import descriptions, schedule_commands
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice, a_request
from tests.factories import a_practice

DAY = dt.timedelta(days=1)


@contextmanager
def refusing(scheduled: ScheduledPractice, table: str, condition: str, *, sqlstate: str = "P0001") -> Iterator[None]:
    """Make the database refuse rows of `table` at commit, so that the whole run is rolled back."""
    scheduled.practice.sql(
        f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF {condition} THEN RAISE EXCEPTION 'no: %', NEW USING ERRCODE = '{sqlstate}'; END IF; "
        f"RETURN NULL; END $$; "
        f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    try:
        yield
    finally:
        scheduled.practice.sql(f"DROP TRIGGER refuse ON {table}; DROP FUNCTION refuse()")


def test_a_failure_before_the_commit_leaves_nothing_and_the_next_tick_starts_over(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    scheduled.schedule()

    with refusing(scheduled, "schedule_run", "true"):
        found = scheduled.tick(FIRST_RUN)

        assert found.jobs.work == []
        assert scheduled.runs() == scheduled.jobs() == []
    scheduled.tick(FIRST_RUN + dt.timedelta(seconds=30))
    scheduled.work(FIRST_RUN)

    assert scheduled.outcomes() == [("2026-11-24", "job", None)]
    assert scheduled.report(scheduled.run(), FIRST_RUN).settled == 2
    assert scheduled.practice.violations() == []


def test_one_failing_schedule_does_not_stop_the_others(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    broken = scheduled.schedule(name="Broken", local_time="02:29")
    whole = scheduled.schedule(name="Whole")

    with refusing(scheduled, "settle_job", f"NEW.schedule_id = {broken}"):
        scheduled.tick(FIRST_RUN)

        assert [run.schedule_id for run in scheduled.runs()] == [whole]


def test_a_run_that_fails_until_its_grace_period_ends_is_recorded_and_the_next_run_starts(
    scheduled: ScheduledPractice,
) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(late_minutes=60)

    with refusing(scheduled, "settle_job", "true"):
        for minutes in range(0, 60, 10):
            scheduled.tick(FIRST_RUN + dt.timedelta(minutes=minutes))
    scheduled.tick(FIRST_RUN + dt.timedelta(minutes=61))
    scheduled.tick(FIRST_RUN + DAY)

    assert scheduled.outcomes() == [
        ("2026-11-24", "failed", descriptions.UNEXPECTED_ERROR),
        ("2026-11-25", "job", None),
    ]
    with scheduled.sessions() as session:
        failures = select(AuditEntry).where(AuditEntry.act == "schedule.night_failed")
        assert len(session.scalars(failures).all()) == 1


def test_a_run_without_database_resources_until_its_grace_period_ends_names_the_cause(
    scheduled: ScheduledPractice,
) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(late_minutes=60)

    with refusing(scheduled, "settle_job", "true", sqlstate="53100"):
        for minutes in range(0, 60, 10):
            scheduled.tick(FIRST_RUN + dt.timedelta(minutes=minutes))
    scheduled.tick(FIRST_RUN + dt.timedelta(minutes=61))

    assert scheduled.outcomes() == [("2026-11-24", "failed", descriptions.DATABASE_BUSY)]
    assert "database was busy" in scheduled.report(scheduled.run(), FIRST_RUN).sentence


def test_a_failing_run_does_not_mark_earlier_missed_runs_as_failed(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(late_minutes=60)

    with refusing(scheduled, "settle_job", "true"):
        scheduled.tick(FIRST_RUN + 2 * DAY)
    scheduled.tick(FIRST_RUN + 2 * DAY + dt.timedelta(minutes=61))

    assert scheduled.outcomes() == [
        ("2026-11-24", "missed", descriptions.TOO_LATE),
        ("2026-11-25", "missed", descriptions.TOO_LATE),
        ("2026-11-26", "failed", descriptions.UNEXPECTED_ERROR),
    ]


def test_a_locked_row_delays_only_its_own_practices_runs(
    scheduled: ScheduledPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "LOCK_TIMEOUT", "100ms")
    scheduled.schedule(local_time="02:29")
    other = a_practice(scheduled.sessions, name="Other")
    owner = other.person("owner@other.example", Role.ADMIN)
    schedule = other.do(schedule_commands.create, a_request(), by=owner, now=CREATED_AT)

    with scheduled.sessions() as locker:
        locker.execute(text("SELECT 1 FROM practice WHERE id = :id FOR NO KEY UPDATE"), {"id": scheduled.practice.id})
        scheduled.tick(FIRST_RUN)
        with scheduled.sessions() as session:
            (run,) = session.scalars(select(ScheduleRun))

    assert (run.practice_id, run.schedule_id) == (other.id, schedule.id)
    scheduled.tick(FIRST_RUN)
    assert scheduled.outcomes() == [("2026-11-24", "nothing", None)]


def test_a_time_zone_unknown_to_this_machine_stops_only_its_own_practices_runs(
    scheduled: ScheduledPractice,
) -> None:
    scheduled.schedule()
    other = a_practice(scheduled.sessions, name="Other")
    owner = other.person("owner@other.example", Role.ADMIN)
    other.do(schedule_commands.create, a_request(), by=owner, now=CREATED_AT)
    other.sql("UPDATE practice SET time_zone = 'US/Pacific-New' WHERE id = :id", id=other.id)

    scheduled.tick(FIRST_RUN)

    assert scheduled.outcomes() == [("2026-11-24", "nothing", None)]


def test_a_failure_is_logged_without_any_value(
    scheduled: ScheduledPractice, capsys: pytest.CaptureFixture[str]
) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule(note="Canary note", name="Canary")
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure("INFO")
    try:
        with refusing(scheduled, "schedule_run", "true"):
            scheduled.tick(FIRST_RUN)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)

    log_output = capsys.readouterr().err
    (event,) = [json.loads(line) for line in log_output.splitlines() if "scheduled_run_failed" in line]
    assert event["schedule_id"] == schedule
    assert (event["error"], event["sqlstate"]) == ("ProgrammingError", "P0001")
    assert "Canary" not in log_output


def test_more_runs_than_one_tick_starts_are_started_by_the_following_ticks(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    for number in range(25):
        scheduled.schedule(name=f"Schedule {number}", settles=False)

    first = scheduled.tick(FIRST_RUN)
    second = scheduled.tick(FIRST_RUN)

    assert (first.more_to_do, second.more_to_do) == (True, False)
    assert len({run.schedule_id for run in scheduled.runs()}) == 25


@pytest.fixture
def claims_per_tick(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many claims a tick prepares at most: a thousandth of the real limit, handled the same way."""
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 20)
    return 20


def test_a_run_too_large_for_a_tick_is_prepared_by_a_worker_and_continues_by_itself(
    scheduled: ScheduledPractice, claims_per_tick: int
) -> None:
    claims = claims_per_tick + 1
    scheduled.practice.claims(claims)
    scheduled.schedule()

    found = scheduled.tick(FIRST_RUN)

    job = scheduled.job(scheduled.run())
    assert (job.status, job.claims_expected) == (JobStatus.PREPARING, claims)
    assert found.jobs.prepare == [scheduled.job_key()]
    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (report.state, report.claims, report.remaining, report.is_final) == ("preparing", claims, claims, False)
    scheduled.work(FIRST_RUN)
    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (report.state, report.settled, report.remaining) == ("settled", claims, 0)
    assert scheduled.practice.violations() == []


def test_a_large_run_over_its_cap_awaits_approval_once_it_is_prepared(
    scheduled: ScheduledPractice, claims_per_tick: int
) -> None:
    scheduled.practice.claims(claims_per_tick + 1)
    scheduled.schedule(claims_max=claims_per_tick)
    scheduled.tick(FIRST_RUN)

    scheduled.work(FIRST_RUN)

    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (report.state, report.over, report.settled) == ("waiting", ("over_cap_claims",), 0)
    scheduled.practice.approve(scheduled.job_key(), by=scheduled.approver, now=FIRST_RUN)


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("UPDATE app_user SET active = false WHERE id = :owner", descriptions.OWNER_LEFT),
        ("UPDATE app_user SET role = 'approver' WHERE id = :owner", descriptions.OWNER_MAY_NOT),
        (
            (
                "INSERT INTO period (practice_id, month, state, closed_at, totals, digest) "
                "VALUES (:practice, '2026-11-01', 'closed', now(), '{}', '')"
            ),
            "period_closed",
        ),
    ],
)
def test_a_large_run_that_lost_its_owner_or_open_month_is_discarded_with_the_reason(
    scheduled: ScheduledPractice, monkeypatch: pytest.MonkeyPatch, change: str, because: str | None
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    scheduled.practice.claims(3)
    scheduled.schedule()
    scheduled.tick(FIRST_RUN)
    scheduled.practice.sql(change, owner=scheduled.owner.user_id, practice=scheduled.practice.id)

    scheduled.work(FIRST_RUN)

    job = scheduled.job(scheduled.run())
    assert (job.status, job.discarded_because) == (JobStatus.DISCARDED, because)
    assert descriptions.describe_reason(because) in scheduled.report(scheduled.run(), FIRST_RUN).sentence
    assert scheduled.practice.read("C00001").billing_status == "Balance Due"
    with scheduled.sessions() as session:
        (act,) = session.scalars(select(AuditEntry).where(AuditEntry.act == "job.discarded"))
    assert (act.user_id, act.facts) == (None, {"because": because})

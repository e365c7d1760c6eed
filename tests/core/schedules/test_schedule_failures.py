"""What breaks in one schedule stays there; what breaks before the commit was never there; large nights go on alone."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text

from core import logs
from core.db import timeouts
from core.db.engine import transaction
from core.jobs import commands as job_commands
from core.jobs.keys import JobKey
from core.models.jobs import JobStatus
from core.models.people import AuditEntry, Role
from core.models.schedules import ScheduleRun
from core.schedules import commands, descriptions
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night, a_request
from tests.factories import a_practice

DAY = dt.timedelta(days=1)


@contextmanager
def refusing(night: Night, table: str, condition: str, *, sqlstate: str = "P0001") -> Iterator[None]:
    """The database refuses rows of `table` at the commit: the run and all is lost."""
    statements = (
        (
            f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF {condition} THEN RAISE EXCEPTION 'no: %', NEW USING ERRCODE = '{sqlstate}'; END IF; "
            f"RETURN NULL; END $$"
        ),
        (
            f"CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION refuse()"
        ),
    )
    with transaction(night.sessions) as session:
        for statement in statements:
            session.execute(text(statement))
    try:
        yield
    finally:
        with transaction(night.sessions) as session:
            session.execute(text(f"DROP TRIGGER refuse ON {table}"))
            session.execute(text("DROP FUNCTION refuse()"))


def test_what_breaks_between_run_and_commit_leaves_nothing_and_the_next_tick_begins_anew(night: Night) -> None:
    night.practice.claims(2)
    night.schedule()

    with refusing(night, "schedule_run", "true"):
        found = night.tick(FIRST_NIGHT)

        assert found.jobs.work == []
        assert night.runs() == night.jobs() == []
    night.tick(FIRST_NIGHT + dt.timedelta(seconds=30))
    night.work(FIRST_NIGHT)

    assert night.nights() == [("2026-11-24", "job", None)]
    assert night.report(night.run(), FIRST_NIGHT).settled == 2
    assert night.practice.violations() == []


def test_one_schedule_that_breaks_does_not_stop_the_others(night: Night) -> None:
    night.practice.claims(2)
    broken = night.schedule(name="Broken", local_time="02:29")
    whole = night.schedule(name="Whole")

    with refusing(night, "settle_job", f"NEW.schedule_id = {broken}"):
        night.tick(FIRST_NIGHT)

        assert [run.schedule_id for run in night.runs()] == [whole]


def test_a_night_that_breaks_until_its_deadline_has_failed_and_the_next_one_comes(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(late_minutes=60)

    with refusing(night, "settle_job", "true"):
        for minutes in range(0, 60, 10):
            night.tick(FIRST_NIGHT + dt.timedelta(minutes=minutes))
    night.tick(FIRST_NIGHT + dt.timedelta(minutes=61))
    night.tick(FIRST_NIGHT + DAY)

    assert night.nights() == [("2026-11-24", "failed", descriptions.BROKE), ("2026-11-25", "job", None)]
    with night.sessions() as session:
        failures = select(AuditEntry).where(AuditEntry.act == "schedule.night_failed")
        assert len(session.scalars(failures).all()) == 1


def test_a_night_for_which_the_database_has_no_room_until_its_deadline_says_so(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(late_minutes=60)

    with refusing(night, "settle_job", "true", sqlstate="53100"):
        for minutes in range(0, 60, 10):
            night.tick(FIRST_NIGHT + dt.timedelta(minutes=minutes))
    night.tick(FIRST_NIGHT + dt.timedelta(minutes=61))

    assert night.nights() == [("2026-11-24", "failed", descriptions.DATABASE_BUSY)]
    assert "database was busy" in night.report(night.run(), FIRST_NIGHT).sentence


def test_a_night_that_breaks_puts_no_blame_on_those_that_were_missed_before(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(late_minutes=60)

    with refusing(night, "settle_job", "true"):
        night.tick(FIRST_NIGHT + 2 * DAY)
    night.tick(FIRST_NIGHT + 2 * DAY + dt.timedelta(minutes=61))

    assert night.nights() == [
        ("2026-11-24", "missed", descriptions.TOO_LATE),
        ("2026-11-25", "missed", descriptions.TOO_LATE),
        ("2026-11-26", "failed", descriptions.BROKE),
    ]


def test_a_row_that_somebody_holds_stops_its_own_practices_nights_and_nobody_elses(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeouts, "LOCK", "100ms")
    night.schedule(local_time="02:29")
    other = a_practice(night.sessions, name="Other")
    with transaction(night.sessions) as session:
        owner = other.person("owner@other.example", Role.ADMIN)
        schedule = commands.create(session, a_request(), by=owner, now=MADE)

    with night.sessions() as hand:
        hand.execute(text("SELECT 1 FROM practice WHERE id = :id FOR NO KEY UPDATE"), {"id": night.practice.id})
        night.tick(FIRST_NIGHT)
        with night.sessions() as session:
            (run,) = session.scalars(select(ScheduleRun))

    assert (run.practice_id, run.schedule_id) == (other.id, schedule.id)
    night.tick(FIRST_NIGHT)
    assert night.nights() == [("2026-11-24", "nothing", None)]


def test_a_time_zone_that_this_machine_does_not_know_stops_its_own_practices_nights_and_nobody_elses(
    night: Night,
) -> None:
    night.schedule()
    other = a_practice(night.sessions, name="Other")
    with transaction(night.sessions) as session:
        owner = other.person("owner@other.example", Role.ADMIN)
        commands.create(session, a_request(), by=owner, now=MADE)
        session.execute(text("UPDATE practice SET time_zone = 'US/Pacific-New' WHERE id = :id"), {"id": other.id})

    night.tick(FIRST_NIGHT)

    assert night.nights() == [("2026-11-24", "nothing", None)]


def test_what_breaks_is_logged_without_a_value_of_it(night: Night, capsys: pytest.CaptureFixture[str]) -> None:
    night.practice.claims(1)
    schedule = night.schedule(note="Canary note", name="Canary")
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    logs.configure("INFO")
    try:
        with refusing(night, "schedule_run", "true"):
            night.tick(FIRST_NIGHT)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)

    said = capsys.readouterr().err
    (event,) = [json.loads(line) for line in said.splitlines() if "schedule_night_failed" in line]
    assert event["schedule_id"] == schedule
    assert (event["error"], event["sqlstate"]) == ("ProgrammingError", "P0001")
    assert "Canary" not in said


def test_more_nights_than_one_tick_takes_are_all_run_by_the_ticks_that_follow(night: Night) -> None:
    night.practice.claims(1)
    for number in range(25):
        night.schedule(name=f"Night {number}", settles=False)

    first = night.tick(FIRST_NIGHT)
    second = night.tick(FIRST_NIGHT)

    assert (first.more_to_do, second.more_to_do) == (True, False)
    assert len({run.schedule_id for run in night.runs()}) == 25


@pytest.fixture
def few_in_a_tick(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many claims a tick prepares at most: a thousandth of what it really is, and the same way."""
    monkeypatch.setattr("core.jobs.preview.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 20)
    return 20


def test_a_night_of_more_claims_than_a_tick_prepares_is_prepared_by_a_worker_and_goes_on_by_itself(
    night: Night, few_in_a_tick: int
) -> None:
    claims = few_in_a_tick + 1
    night.practice.claims(claims)
    night.schedule()

    found = night.tick(FIRST_NIGHT)

    job = night.job(night.run())
    key = JobKey(job.practice_id, job.id)
    assert (job.status, job.claims_expected, found.jobs.prepare) == (JobStatus.PREPARING, claims, [key])
    report = night.report(night.run(), FIRST_NIGHT)
    assert (report.state, report.claims, report.remaining, report.is_final) == ("preparing", claims, claims, False)
    night.work(FIRST_NIGHT)
    report = night.report(night.run(), FIRST_NIGHT)
    assert (report.state, report.settled, report.remaining) == ("settled", claims, 0)
    assert night.practice.violations() == []


def test_a_large_night_over_its_cap_waits_once_it_is_prepared(night: Night, few_in_a_tick: int) -> None:
    night.practice.claims(few_in_a_tick + 1)
    night.schedule(claims_max=few_in_a_tick)
    night.tick(FIRST_NIGHT)

    night.work(FIRST_NIGHT)

    report = night.report(night.run(), FIRST_NIGHT)
    assert (report.state, report.over, report.settled) == ("waiting", ("over_cap_claims",), 0)
    job = night.job(night.run())
    with transaction(night.sessions) as session:
        key = JobKey(job.practice_id, job.id)
        job_commands.approve(session, key, confirmation="CONFIRM", by=night.approver, now=FIRST_NIGHT)


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
def test_a_large_night_for_which_nobody_may_answer_any_more_is_discarded_and_says_why(
    night: Night, monkeypatch: pytest.MonkeyPatch, change: str, because: str | None
) -> None:
    monkeypatch.setattr("core.jobs.preview.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    night.practice.claims(3)
    night.schedule()
    night.tick(FIRST_NIGHT)
    with transaction(night.sessions) as session:
        session.execute(text(change), {"owner": night.owner.user_id, "practice": night.practice.id})

    night.work(FIRST_NIGHT)

    job = night.job(night.run())
    assert (job.status, job.discarded_because) == (JobStatus.DISCARDED, because)
    assert descriptions.describe_reason(because) in night.report(night.run(), FIRST_NIGHT).sentence
    assert night.practice.read("C00001").billing_status == "Balance Due"
    with night.sessions() as session:
        (act,) = session.scalars(select(AuditEntry).where(AuditEntry.act == "job.discarded"))
    assert (act.user_id, act.facts) == (None, {"because": because})

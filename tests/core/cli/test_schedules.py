"""Schedules by command: created, changed, run, read, and refused with a reason."""

import datetime as dt
import json
from typing import Any

import pytest
from click.testing import Result

from core.db.engine import Sessions, transaction
from core.models.people import Role
from core.practices.practice_queries import find
from core.schedules import tick
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, a_practice

OWNER, BILLER, OPS = "owner@lakeside.example", "biller@lakeside.example", "ops@lakeside.example"
FIELDS = ("--name", "Small balances", "--filter", "total_due_max_cents=100000", "--at", "02:30")
CAPS = ("--reason", "small_balance", "--claims-max", "500", "--amount-max", "5,000.00")


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Create three claims, an administrator, a user of operations, and another practice."""
    given = a_practice(sessions)
    given.claims(3)
    given.person(OWNER, Role.ADMIN)
    given.person(OPS, Role.OPS)
    a_practice(sessions, name="Other").person("admin@other.example", Role.ADMIN)
    return given


def add(typed: Typed, *more: str, email: str = OWNER) -> Result:
    return typed("schedule", "add", *FIELDS, *CAPS, *more, "--as", email)


def facts_of(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_schedule_is_created_and_listed_with_its_action_and_next_run(typed: Typed, practice: GivenPractice) -> None:
    made = add(typed, "--practice", "Lakeside", "--weekday", "mon", "--weekday", "tue", "--weekday", "wed")

    assert made.exit_code == 0, made.output
    assert made.stdout == (
        "Schedule 1 is active. Every Monday through Wednesday at 2:30 AM (America/New_York), reports what it would "
        "settle as small balance, and settles nothing. Its caps are at most 500 claims and $5,000.00.\n"
    )
    (listed,) = facts_of(typed("schedule", "list", "--as", BILLER, "--json"))["schedules"]
    assert (listed["mode"], listed["claims_max"], listed["cents_max"]) == ("report", 500, 500_000)
    assert listed["next"].endswith("07:30:00+00:00") or listed["next"].endswith("06:30:00+00:00")
    assert "Small balances" in typed("schedule", "list", "--as", BILLER).stdout
    assert "total_due_max_cents" in typed("schedule", "show", 1, "--as", BILLER).stdout


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (("--claims-max", ""), "claims_max: enter a number, or the word unlimited"),
        (("--at", "25:00"), "local_time: enter a time of day"),
        (("--filter", "total_due_max=5"), "unknown filter key"),
        (("--mail-to", "not-an-address"), "mail_to: enter e-mail addresses"),
        (("--late-minutes", "2000"), "late_minutes: enter a number of minutes from 1 to 1,380"),
    ],
)
def test_invalid_fields_are_refused_with_a_remedy(
    typed: Typed, practice: GivenPractice, given: tuple[str, ...], shown: str
) -> None:
    result = add(typed, *given)

    assert (result.exit_code, result.stdout) == (1, "")
    assert shown in result.stderr


def test_settling_needs_confirm_and_so_does_a_change_of_a_settling_schedule(
    typed: Typed, practice: GivenPractice
) -> None:
    add(typed)

    wrong = typed("schedule", "settle", 1, "--as", OWNER, "--confirmation", "confirm")
    right = typed("schedule", "settle", 1, "--as", OWNER, "--confirmation", "CONFIRM")
    unconfirmed = typed("schedule", "change", 1, "--note", "More", "--as", OWNER, "--confirmation", "")
    changed = typed(
        "schedule", "change", 1, "--claims-max", "unlimited", "--as", OWNER, "--confirmation", "CONFIRM", "--json"
    )

    assert [wrong.exit_code, right.exit_code, unconfirmed.exit_code] == [1, 0, 1]
    assert "settles at most 500 claims and $5,000.00" in right.stdout
    facts = facts_of(changed)
    assert (facts["claims_max"], facts["cents_max"], facts["mode"]) == ("unlimited", 500_000, "settle")
    assert "reports what it would" in typed("schedule", "report-only", 1, "--as", OWNER).stdout


def test_tonight_estimates_the_next_run_and_writes_nothing(typed: Typed, practice: GivenPractice) -> None:
    add(typed, "--claims-max", "2")

    seen = typed("schedule", "tonight", 1, "--as", BILLER)

    assert seen.stdout.splitlines() == [
        "It would settle 3 of 3 claims and write off $45.00.",
        "  It would need another user's approval: Over the schedule's claim cap.",
    ]
    assert facts_of(typed("schedule", "runs", "--as", BILLER, "--json")) == {"runs": []}


def test_run_now_with_the_same_key_is_the_same_run_and_has_a_report(typed: Typed, practice: GivenPractice) -> None:
    add(typed)

    first, second = (facts_of(typed("schedule", "run-now", 1, "--key", "k", "--as", OWNER, "--json")) for _ in range(2))

    assert first["id"] == second["id"]
    assert (first["state"], first["claims"], first["remaining"], first["settled"]) == ("report", 3, 3, 0)
    shown = typed("schedule", "report", first["id"], "--as", BILLER).stdout
    assert "It would settle 3 claims and skip 0. It settled none, because it was report-only." in shown
    assert "run now" in typed("schedule", "runs", "--as", BILLER).stdout


def test_a_schedules_owner_cannot_approve_its_jobs_and_another_user_can(typed: Typed, practice: GivenPractice) -> None:
    add(typed, "--claims-max", "1")
    practice.person("approver@lakeside.example", Role.APPROVER)
    typed("schedule", "settle", 1, "--as", OWNER, "--confirmation", "CONFIRM")
    typed("schedule", "run-now", 1, "--as", OWNER)

    own = typed("approve", 1, "--as", OWNER, "--confirmation", "CONFIRM")
    others = typed("approve", 1, "--as", "approver@lakeside.example", "--confirmation", "CONFIRM")

    assert (own.exit_code, others.exit_code) == (1, 0)
    assert "another user must approve it" in own.stderr


def test_pause_resume_and_delete_report_the_schedules_state(typed: Typed, practice: GivenPractice) -> None:
    add(typed)

    assert "is paused" in typed("schedule", "pause", 1, "--as", OWNER).stdout
    assert facts_of(typed("schedule", "show", 1, "--as", OWNER, "--json"))["next"] is None
    assert "is active" in typed("schedule", "resume", 1, "--as", OWNER).stdout
    assert typed("schedule", "delete", 1, "--as", OWNER).stdout == "Schedule 1 is deleted.\n"
    assert typed("schedule", "show", 1, "--as", OWNER).exit_code == 1


@pytest.mark.parametrize("act", ["pause", "resume", "delete", "run-now", "report-only"])
def test_only_the_practices_administrators_can_change_a_schedule(
    typed: Typed, practice: GivenPractice, act: str
) -> None:
    add(typed)

    biller, stranger = (typed("schedule", act, 1, "--as", email) for email in (BILLER, "admin@other.example"))

    assert (biller.exit_code, stranger.exit_code) == (1, 1)
    assert "Your role (biller) does not allow this" in biller.stderr
    assert stranger.stderr == "There is no such schedule in this practice.\n"
    assert typed("schedule", "list", "--as", OPS).exit_code == 1, "a user who cannot see claims cannot see schedules"


def test_the_time_zone_is_changed_by_command(typed: Typed, practice: GivenPractice, sessions: Sessions) -> None:
    changed = typed("time-zone", "America/Chicago", "--practice", "Lakeside", "--as", OWNER)

    assert changed.exit_code == 0, changed.output
    with transaction(sessions) as session:
        assert find(session, practice.id).time_zone == "America/Chicago"
    assert typed("time-zone", "Mars/Olympus", "--as", OWNER).exit_code == 1
    assert typed("time-zone", "America/Chicago", "--as", BILLER).exit_code == 1


def test_a_scheduled_run_is_listed_by_its_date(typed: Typed, practice: GivenPractice, sessions: Sessions) -> None:
    add(typed)
    two_days_on = dt.datetime.now(dt.UTC).replace(hour=20) + dt.timedelta(days=2)  # hours after each run's deadline
    tick.tick(sessions, now=two_days_on)

    run = facts_of(typed("schedule", "runs", 1, "--limit", "1", "--as", BILLER, "--json"))["runs"][0]

    assert (run["night"], run["outcome"], run["because"]) == (f"{two_days_on:%Y-%m-%d}", "missed", "too_late")

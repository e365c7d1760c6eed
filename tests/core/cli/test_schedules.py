"""Schedules by command: made, changed, run and read, and refused in words."""

import datetime as dt
import json
from typing import Any

import pytest
from click.testing import Result

from core.db.engine import Sessions, transaction
from core.models.people import Role
from core.practices.queries import find as practice_of
from core.schedules import tick
from tests.core.cli.conftest import Typed
from tests.factories import GivenPractice, a_practice

OWNER, BILLER, OPS = "owner@lakeside.example", "biller@lakeside.example", "ops@lakeside.example"
FIELDS = ("--name", "Small balances", "--filter", "total_due_max_cents=100000", "--at", "02:30")
CAPS = ("--reason", "small_balance", "--claims-max", "500", "--amount-max", "5,000.00")


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """Three claims, an administrator, somebody of operations; and another practice beside it."""
    given = a_practice(sessions)
    given.claims(3)
    given.person(OWNER, Role.ADMIN)
    given.person(OPS, Role.OPS)
    a_practice(sessions, name="Other").person("admin@other.example", Role.ADMIN)
    return given


def add(typed: Typed, *more: str, email: str = OWNER) -> Result:
    return typed("schedule", "add", *FIELDS, *CAPS, *more, "--as", email)


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_schedule_is_made_in_words_and_lists_what_it_does_and_when_next(
    typed: Typed, practice: GivenPractice
) -> None:
    made = add(typed, "--practice", "Lakeside", "--weekday", "mon", "--weekday", "tue", "--weekday", "wed")

    assert made.exit_code == 0, made.output
    assert made.stdout == (
        "Schedule 1 is active. Every Monday to Wednesday at 2:30 AM (America/New_York), reports what it would settle "
        "as small balance, and settles nothing. Its caps are at most 500 claims and $5,000.00.\n"
    )
    (listed,) = told(typed("schedule", "list", "--as", BILLER, "--json"))["schedules"]
    assert (listed["mode"], listed["claims_max"], listed["cents_max"]) == ("report", 500, 500_000)
    assert listed["next"].endswith("07:30:00+00:00") or listed["next"].endswith("06:30:00+00:00")
    assert "Small balances" in typed("schedule", "list", "--as", BILLER).stdout
    assert "total_due_max_cents" in typed("schedule", "show", 1, "--as", BILLER).stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--claims-max", ""), "claims_max: enter a number, or the word unlimited"),
        (("--at", "25:00"), "local_time: enter a time of day"),
        (("--filter", "total_due_max=5"), "unknown filter key"),
        (("--mail-to", "nobody"), "mail_to: enter e-mail addresses"),
        (("--late-minutes", "2000"), "late_minutes: enter a number of minutes from 1 to 1,380"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused_with_its_cure(
    typed: Typed, practice: GivenPractice, given: tuple[str, ...], said: str
) -> None:
    result = add(typed, *given)

    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


def test_settling_takes_the_word_and_so_does_a_change_of_what_settles(typed: Typed, practice: GivenPractice) -> None:
    add(typed)

    wrong = typed("schedule", "settle", 1, "--as", OWNER, "--confirmation", "confirm")
    right = typed("schedule", "settle", 1, "--as", OWNER, "--confirmation", "CONFIRM")
    unconfirmed = typed("schedule", "change", 1, "--note", "More", "--as", OWNER, "--confirmation", "")
    changed = typed(
        "schedule", "change", 1, "--claims-max", "unlimited", "--as", OWNER, "--confirmation", "CONFIRM", "--json"
    )

    assert [wrong.exit_code, right.exit_code, unconfirmed.exit_code] == [1, 0, 1]
    assert "settles at most 500 claims and $5,000.00" in right.stdout
    facts = told(changed)
    assert (facts["claims_max"], facts["cents_max"], facts["mode"]) == ("unlimited", 500_000, "settle")
    assert "reports what it would" in typed("schedule", "report-only", 1, "--as", OWNER).stdout


def test_tonight_says_what_it_would_settle_and_writes_nothing(typed: Typed, practice: GivenPractice) -> None:
    add(typed, "--claims-max", "2")

    seen = typed("schedule", "tonight", 1, "--as", BILLER)

    assert seen.stdout.splitlines() == [
        "It would settle 3 of 3 claims and write off $45.00.",
        "  It would need another user's approval: Over the schedule's claim cap.",
    ]
    assert told(typed("schedule", "runs", "--as", BILLER, "--json")) == {"runs": []}


def test_run_now_with_the_same_key_is_the_same_run_and_has_a_report(typed: Typed, practice: GivenPractice) -> None:
    add(typed)

    first, second = (told(typed("schedule", "run-now", 1, "--key", "k", "--as", OWNER, "--json")) for _ in range(2))

    assert first["id"] == second["id"]
    assert (first["state"], first["claims"], first["remaining"], first["settled"]) == ("report", 3, 3, 0)
    shown = typed("schedule", "report", first["id"], "--as", BILLER).stdout
    assert "It would settle 3 claims and skip 0. It settled none, because it only reports." in shown
    assert "run now" in typed("schedule", "runs", "--as", BILLER).stdout


def test_who_made_a_schedule_decides_on_no_job_of_it_and_another_person_does(
    typed: Typed, practice: GivenPractice
) -> None:
    add(typed, "--claims-max", "1")
    practice.person("approver@lakeside.example", Role.APPROVER)
    typed("schedule", "settle", 1, "--as", OWNER, "--confirmation", "CONFIRM")
    typed("schedule", "run-now", 1, "--as", OWNER)

    own = typed("approve", 1, "--as", OWNER, "--confirmation", "CONFIRM")
    others = typed("approve", 1, "--as", "approver@lakeside.example", "--confirmation", "CONFIRM")

    assert (own.exit_code, others.exit_code) == (1, 0)
    assert "another user must approve it" in own.stderr


def test_pause_resume_and_delete_say_how_it_stands(typed: Typed, practice: GivenPractice) -> None:
    add(typed)

    assert "is paused" in typed("schedule", "pause", 1, "--as", OWNER).stdout
    assert told(typed("schedule", "show", 1, "--as", OWNER, "--json"))["next"] is None
    assert "is active" in typed("schedule", "resume", 1, "--as", OWNER).stdout
    assert typed("schedule", "delete", 1, "--as", OWNER).stdout == "Schedule 1 is deleted.\n"
    assert typed("schedule", "show", 1, "--as", OWNER).exit_code == 1


@pytest.mark.parametrize("act", ["pause", "resume", "delete", "run-now", "report-only"])
def test_only_administrators_of_its_practice_do_anything_to_it(typed: Typed, practice: GivenPractice, act: str) -> None:
    add(typed)

    biller, stranger = (typed("schedule", act, 1, "--as", email) for email in (BILLER, "admin@other.example"))

    assert (biller.exit_code, stranger.exit_code) == (1, 1)
    assert "Your role (biller) does not allow this" in biller.stderr
    assert stranger.stderr == "There is no such schedule in this practice.\n"
    assert typed("schedule", "list", "--as", OPS).exit_code == 1, "who sees no claims sees no schedules"


def test_the_time_zone_is_changed_by_command(typed: Typed, practice: GivenPractice, sessions: Sessions) -> None:
    changed = typed("time-zone", "America/Chicago", "--practice", "Lakeside", "--as", OWNER)

    assert changed.exit_code == 0, changed.output
    with transaction(sessions) as session:
        assert practice_of(session, practice.id).time_zone == "America/Chicago"
    assert typed("time-zone", "Mars/Olympus", "--as", OWNER).exit_code == 1
    assert typed("time-zone", "America/Chicago", "--as", BILLER).exit_code == 1


def test_a_run_of_a_night_is_listed_by_its_date(typed: Typed, practice: GivenPractice, sessions: Sessions) -> None:
    add(typed)
    two_days_on = dt.datetime.now(dt.UTC).replace(hour=20) + dt.timedelta(days=2)  # hours after each night's deadline
    tick.tick(sessions, now=two_days_on)

    run = told(typed("schedule", "runs", 1, "--limit", "1", "--as", BILLER, "--json"))["runs"][0]

    assert (run["night"], run["outcome"], run["because"]) == (f"{two_days_on:%Y-%m-%d}", "missed", "too_late")

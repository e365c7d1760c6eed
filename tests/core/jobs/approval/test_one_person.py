"""A practice where one person works by choice: jobs over a limit run without approval, and say so."""

import datetime as dt
from collections.abc import Callable

import pytest
from sqlalchemy.exc import IntegrityError

from core.access import one_person, user_management, users
from core.access.permissions import Actor
from core.access.users import actor_for
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.errors import NotAllowed
from core.jobs.keys import JobKey
from core.jobs.results import certificates
from core.models.jobs import SettleJob
from core.models.practices import Practice
from core.money import UNLIMITED
from core.practices import one_person_choice
from tests.factories import NOW, GivenPractice

WAITS, RUNS = JobStatus.AWAITING_APPROVAL, JobStatus.CONFIRMED
DAY = dt.timedelta(hours=24)
LATER = NOW + DAY
MINUTE = dt.timedelta(minutes=1)


def job_by(practice: GivenPractice, by: Actor, number: str = "C00001", *, now: dt.datetime = LATER) -> SettleJob:
    """Return the confirmed job on one claim, over the limit of the practice."""
    practice.limit(job=1_000)
    key = practice.preview({"claim_ids": [number]}, by=by, key=f"{number} {now}", now=now)
    return practice.confirm(key, by=by, now=now)


def added(practice: GivenPractice, role: Role, *, by: Actor, now: dt.datetime) -> Actor:
    given = {"email": "new@lakeside.example", "name": "New", "claim_cents": UNLIMITED, "job_cents": UNLIMITED}
    user, _link = practice.do(user_management.add, role=role, **given, by_mail=False, by=by, now=now)
    return actor_for(user)


def is_chosen(practice: GivenPractice) -> bool:
    with practice.sessions() as session:
        return one_person.choice_of(session.get_one(Practice, practice.id)) is not None


@pytest.fixture
def alone(practice: GivenPractice, admin: Actor) -> Actor:
    """The only user who could approve. The biller of the practice may not."""
    practice.claims(3)
    return admin


@pytest.fixture
def chose(practice: GivenPractice, alone: Actor) -> Actor:
    """The same user, after the choice."""
    practice.do(one_person_choice.choose, by=alone, now=NOW)
    return alone


def test_a_job_over_a_limit_runs_24_hours_after_the_choice_and_shows_it(practice: GivenPractice, chose: Actor) -> None:
    assert job_by(practice, chose, "C00001", now=LATER - MINUTE).status is WAITS

    job = job_by(practice, chose, "C00002")

    assert (job.status, job.approval_requested_at) == (RUNS, None)
    assert [one["code"] for one in job.limits_exceeded] == ["over_job_limit"]
    assert (job.without_approval_chosen_by, job.without_approval_chosen_at) == (chose.user_id, NOW)
    (confirmed,) = practice.audited("job.confirmed")
    facts = {"was": ["previewed"], "exceeded": ["over_job_limit"], "without_approval": True}
    assert {name: confirmed.facts[name] for name in facts} == facts
    practice.run(now=LATER)
    with practice.sessions() as session:
        found = certificates.for_job(session, JobKey(practice.id, job.id))
    assert found.without_approval is not None
    assert (found.without_approval.chosen_by, found.without_approval.chosen_at) == (chose.name, NOW)
    assert [one.code for one in found.over] == ["over_job_limit"]
    assert (found.approved_by, found.reconciles) == (None, True)
    # Such a job counts in the sum of 24 hours.
    practice.do(one_person_choice.end, by=chose, now=LATER)
    practice.limit(job=2_000)
    key = practice.preview({"claim_ids": ["C00003"]}, by=chose, key="third", now=LATER)
    assert practice.confirm(key, by=chose, now=LATER).limits_exceeded[0]["code"] == "over_day_limit"
    assert practice.violations() == []


def test_only_the_jobs_of_the_user_who_chose_run_without_approval(practice: GivenPractice, chose: Actor) -> None:
    assert job_by(practice, practice.biller).status is WAITS

    puppet = added(practice, Role.ADMIN, by=chose, now=LATER)
    assert job_by(practice, puppet, "C00002").status is WAITS


def test_the_choice_is_refused_while_another_user_could_approve(practice: GivenPractice, alone: Actor) -> None:
    second = practice.person("second@lakeside.example", Role.APPROVER)

    with pytest.raises(one_person_choice.AnotherApprover, match="second could approve your jobs"):
        practice.do(one_person_choice.choose, by=alone, now=NOW)
    for by in (second, practice.biller):
        with pytest.raises(NotAllowed):
            practice.do(one_person_choice.choose, by=by, now=NOW)
    assert not is_chosen(practice)


@pytest.mark.parametrize(
    "act",
    [
        lambda practice, user, by: practice.do(user_management.deactivate, user, by=by, now=NOW),
        lambda practice, user, by: practice.do(user_management.change_role, user, Role.BILLER, by=by, now=NOW),
        # A link could let the administrator sign in as the user, so it ties the account.
        lambda practice, user, by: practice.do(user_management.make_password_link, user, by_mail=False, by=by, now=NOW),
    ],
    ids=["deactivated", "demoted", "tied"],
)
def test_the_choice_applies_30_days_after_another_user_last_could_approve(
    practice: GivenPractice, alone: Actor, act: Callable[[GivenPractice, int, Actor], object]
) -> None:
    second = practice.person("second@lakeside.example", Role.APPROVER)
    act(practice, second.user_id, alone)

    for _ in range(2):
        practice.do(one_person_choice.choose, by=alone, now=NOW + MINUTE)

    assert len(practice.audited("one_person.chosen")) == 1
    with practice.sessions() as session:
        choice = one_person.choice_of(session.get_one(Practice, practice.id))
        assert choice is not None
        assert one_person.applies_from(session, practice.id, choice) == NOW + 30 * DAY
    assert job_by(practice, alone, "C00001", now=NOW + 30 * DAY - MINUTE).status is WAITS
    assert job_by(practice, alone, "C00002", now=NOW + 30 * DAY).status is RUNS


def add_on_server(practice: GivenPractice, _puppet: Actor) -> None:
    given = {"email": "second@lakeside.example", "name": "Second", "role": Role.APPROVER, "password": None}
    practice.do(users.add_user, practice_id=practice.id, **given, now=LATER)


def vouch(practice: GivenPractice, puppet: Actor) -> None:
    independent = practice.person("owner@lakeside.example", Role.ADMIN)
    practice.do(user_management.vouch, puppet.user_id, by=independent, now=LATER)


@pytest.mark.parametrize("how", [add_on_server, vouch])
def test_the_choice_ends_for_good_when_a_second_person_could_approve(
    practice: GivenPractice, chose: Actor, how: Callable[[GivenPractice, Actor], None]
) -> None:
    puppet = added(practice, Role.APPROVER, by=chose, now=NOW)
    assert is_chosen(practice), "an account that the user controls is not a second person"

    how(practice, puppet)

    assert not is_chosen(practice)
    (lapsed,) = practice.audited("one_person.lapsed")
    assert (lapsed.user_id, lapsed.facts) == (None, {"user_id": chose.user_id})
    practice.sql("UPDATE app_user SET active = false WHERE id <> :id", id=chose.user_id)
    assert job_by(practice, chose).status is WAITS, "it does not come back when that user leaves"


def test_the_choice_ends_when_its_user_can_no_longer_approve(practice: GivenPractice, chose: Actor) -> None:
    puppet = added(practice, Role.ADMIN, by=chose, now=NOW)

    practice.do(user_management.deactivate, chose.user_id, by=puppet, now=LATER)

    assert not is_chosen(practice)


def test_a_second_person_added_past_the_application_stops_it_too(practice: GivenPractice, chose: Actor) -> None:
    practice.person("second@lakeside.example", Role.APPROVER)

    assert job_by(practice, chose).status is WAITS


@pytest.mark.parametrize(
    "act",
    [
        "UPDATE settle_job SET without_approval_chosen_at = without_approval_chosen_at - interval '1 hour'",
        "UPDATE audit_entry SET act = 'one_person.other' WHERE act = 'one_person.chosen'",
        (
            "UPDATE audit_entry SET act = 'one_person.ended', subject = 'practice:' || practice_id"
            " WHERE id = (SELECT max(id) FROM audit_entry WHERE act = 'job.requested')"
        ),
        "UPDATE settle_job SET confirmed_by = (SELECT max(id) FROM app_user)",
    ],
    ids=["another time", "no choice", "ended before", "another user"],
)
def test_verify_finds_a_job_that_ran_without_approval_and_without_the_choice(
    practice: GivenPractice, chose: Actor, act: str
) -> None:
    practice.person("other@lakeside.example", Role.BILLER)
    job_by(practice, chose)
    assert practice.violations() == []

    practice.sql("ALTER TABLE audit_entry DISABLE TRIGGER USER")
    practice.sql(act)

    assert "jobs_over_a_limit_were_approved" in {one.invariant for one in practice.violations()}


@pytest.mark.parametrize(
    "act",
    [
        "without_approval_chosen_by = NULL",
        "without_approval_chosen_at = NULL",
        "without_approval_chosen_at = without_approval_chosen_at + interval '1 minute'",
    ],
)
def test_the_database_refuses_a_job_over_a_limit_without_the_choice(
    practice: GivenPractice, chose: Actor, act: str
) -> None:
    job_by(practice, chose)

    with pytest.raises(IntegrityError):
        practice.sql(f"UPDATE settle_job SET {act}")

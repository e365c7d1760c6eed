"""What people do to schedules, and what is refused."""

import datetime as dt
from typing import Any

import pytest

from core.access import user_management
from core.books import closing
from core.db.engine import transaction
from core.errors import NotAllowed, NotFound
from core.jobs.lifecycle import ConfirmationMismatch
from core.jobs.preview.freezing import BadIdempotencyKey
from core.models.people import Role
from core.models.practices import PayerClass
from core.models.schedules import ScheduleMode, ScheduleState
from core.money import UNLIMITED
from core.practices.create import BadTimeZone
from core.schedules import commands, descriptions, estimate, queries
from core.schedules.requests import BadSchedule, ScheduleRequest
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night, a_request, at
from tests.factories import Line, a_practice

DAY = dt.timedelta(days=1)


def test_a_new_schedule_is_active_reports_and_is_its_makers(night: Night) -> None:
    schedule = night.read(night.schedule(settles=False))

    assert (schedule.mode, schedule.state, schedule.owner_id) == (
        ScheduleMode.REPORT, ScheduleState.ACTIVE, night.owner.user_id,
    )  # fmt: skip
    assert schedule.claims_max == schedule.cents_max == UNLIMITED


@pytest.mark.parametrize("word", ["confirm", "CONFIRM ", "", "CONFIRMED"])
def test_settling_takes_the_very_word(night: Night, word: str) -> None:
    schedule = night.schedule(settles=False)

    with pytest.raises(ConfirmationMismatch):
        night.act(commands.start_settling, schedule, now=MADE, confirmation=word, version=1)

    assert night.read(schedule).mode is ScheduleMode.REPORT


def test_a_change_of_what_settles_takes_the_word_again_and_who_changes_it_answers_for_it(night: Night) -> None:
    schedule = night.schedule()
    other = night.practice.person("other@lakeside.example", Role.ADMIN)
    change = {"request": a_request(claims_max=5), "version": 2, "by": other, "now": MADE}

    with pytest.raises(ConfirmationMismatch):
        night.act(commands.change, schedule, **change)
    night.act(commands.change, schedule, **change, confirmation="CONFIRM")

    changed = night.read(schedule)
    assert (changed.claims_max, changed.mode, changed.owner_id) == (5, ScheduleMode.SETTLE, other.user_id)


def test_a_page_that_is_older_than_the_schedule_changes_nothing(night: Night) -> None:
    schedule = night.schedule(settles=False)
    night.act(commands.change, schedule, now=MADE, request=a_request(note="New"), version=1)

    for act, more in (
        (commands.change, {"request": a_request(note="Old")}),
        (commands.start_settling, {"confirmation": "CONFIRM"}),
        (commands.report_only, {}),
    ):
        with pytest.raises(commands.StaleSchedule):
            night.act(act, schedule, now=MADE, version=1, **more)

    assert night.read(schedule).note == "New"


def test_a_name_is_taken_once_in_a_practice_until_its_schedule_is_deleted(night: Night) -> None:
    first = night.schedule()
    with pytest.raises(commands.ScheduleNameTaken):
        night.schedule()
    second = night.schedule(name="Other")
    with pytest.raises(commands.ScheduleNameTaken) as refused:
        night.act(commands.change, second, now=MADE, request=a_request(), version=2, confirmation="CONFIRM")
    assert "name" in refused.value.facts["faults"]

    night.act(commands.delete, first, now=MADE)
    assert night.schedule() not in (first, second)


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_administrators_manage_schedules(night: Night, role: Role) -> None:
    schedule = night.schedule()
    other = night.practice.person("somebody@lakeside.example", role)
    acts: list[tuple[Any, dict[str, Any]]] = [
        (commands.change, {"request": a_request(), "version": 2}),
        (commands.start_settling, {"confirmation": "CONFIRM", "version": 2}),
        (commands.report_only, {"version": 2}),
        (commands.pause, {}), (commands.resume, {}), (commands.delete, {}), (commands.run_now, {"key": "k"}),
    ]  # fmt: skip
    for act, more in acts:
        with pytest.raises(NotAllowed):
            night.act(act, schedule, now=MADE, by=other, **more)
    with pytest.raises(NotAllowed), transaction(night.sessions) as session:
        commands.create(session, a_request(name="Mine"), by=other, now=MADE)


def test_another_practices_schedule_is_not_there(night: Night) -> None:
    schedule = night.schedule()
    stranger = a_practice(night.sessions, name="Other").person("admin@other.example", Role.ADMIN)

    for act in (commands.pause, commands.resume, commands.delete):
        with pytest.raises(NotFound):
            night.act(act, schedule, now=MADE, by=stranger)
    with pytest.raises(NotFound), night.sessions() as session:
        queries.find(session, stranger.practice_id, schedule)


def test_a_stopped_schedule_does_not_run_now_and_says_why(night: Night) -> None:
    schedule = night.schedule()
    with transaction(night.sessions) as session:
        admin = night.practice.person("admin@lakeside.example", Role.ADMIN)
        user_management.deactivate(session, night.owner.user_id, by=admin, now=MADE)
    with pytest.raises(commands.OwnerMayNot):
        night.act(commands.run_now, schedule, now=MADE, key="k", by=admin)
    night.tick(MADE)

    with pytest.raises(commands.ScheduleIsStopped, match="deactivated"):
        night.act(commands.run_now, schedule, now=MADE, key="k", by=admin)


def test_a_paused_schedule_runs_now_and_stays_paused(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.act(commands.pause, schedule, now=MADE)

    run = night.run_now(schedule, "k")

    assert (run.job_id is not None, night.read(schedule).state) == (True, ScheduleState.PAUSED)


def test_the_next_night_is_none_while_it_is_paused_and_never_one_that_was_decided(night: Night) -> None:
    schedule = night.schedule(local_time="02:30")
    night.tick(FIRST_NIGHT)
    night.act(
        commands.change, schedule, now=FIRST_NIGHT + dt.timedelta(hours=1), request=a_request(local_time="23:00"),
        version=2, confirmation="CONFIRM",
    )  # fmt: skip

    with night.sessions() as session:
        found = queries.next_run(session, night.read(schedule), now=FIRST_NIGHT + dt.timedelta(hours=2))
    assert found is not None
    assert (str(found.date), found.instant) == ("2026-11-25", at("2026-11-26 04:00"))
    night.act(commands.pause, schedule, now=FIRST_NIGHT)
    with night.sessions() as session:
        assert queries.next_run(session, night.read(schedule), now=FIRST_NIGHT) is None


def test_a_time_zone_that_is_none_is_refused(night: Night) -> None:
    with pytest.raises(BadTimeZone):
        night.move_to("Mars/Olympus", now=MADE)


# What is asked


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("claims_max", "", "enter a number, or the word unlimited"),
        ("cents_max", None, "enter a number, or the word unlimited"),
        ("claims_max", 0, "type a number"), ("cents_max", True, "type a number"), ("claims_max", 1.5, "type a number"),
        ("filter", {}, "the filter is empty"), ("filter", {"foo": 1}, "unknown filter key"),
        ("local_time", "2.30", "give a time of day"), ("local_time", "02:30:30", "give a time of day"),
        ("weekdays", [], "choose at least one"), ("weekdays", ["noday"], "choose at least one"),
        ("late_minutes", 1_381, "from 1 to 1,380"), ("late_minutes", 0, "from 1 to 1,380"),
        ("mail_to", ["a@b.example\nBcc: c@d.example"], "e-mail addresses"), ("mail_to", ["a b@c.example"], "e-mail"),
        ("name", "", "give it a name"), ("name", "n" * 61, "give it a name"), ("note", "\x00", "at most 500"),
        ("mode", "settle", "a schedule has no such field"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_must_be_is_said_by_field(field: str, value: object, said: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        a_request(**{field: value})

    assert list(refused.value.facts["faults"]) == [field]
    assert said in refused.value.facts["faults"][field]


def test_weekdays_and_addresses_are_kept_once_and_in_order() -> None:
    asked = a_request(weekdays=["sun", "mon", "sun"], mail_to=["b@x.example", "a@x.example", "b@x.example"])

    assert (asked.weekdays, asked.mail_to) == (("mon", "sun"), ("b@x.example", "a@x.example"))
    assert isinstance(asked, ScheduleRequest)


# Words


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"weekdays": ["mon", "tue", "wed", "thu", "fri"], "claims_max": 500, "cents_max": 500_000},
            (
                "Every Monday to Friday at 2:30 AM (America/New_York), settles at most 500 claims and $5,000.00 as "
                "small balance. More than that needs another user's approval."
            ),
        ),
        (
            {"weekdays": ["mon", "sun"], "local_time": "12:05", "claims_max": 1},
            (
                "Every Monday and Sunday at 12:05 PM (America/New_York), settles at most 1 claim and any amount as "
                "small balance. More than that needs another user's approval."
            ),
        ),
        (
            {"local_time": "00:00", "cents_max": 500_000},
            (
                "Every day at 12:00 AM (America/New_York), settles any number of claims, at most $5,000.00 in total, "
                "as small balance. More than that needs another user's approval."
            ),
        ),
        (
            {"local_time": "00:00", "reason": "bad_debt"},
            "Every day at 12:00 AM (America/New_York), settles any number of claims and any amount as bad debt.",
        ),
    ],
)
def test_a_schedule_says_in_words_what_it_does(night: Night, asked: dict[str, Any], said: str) -> None:
    assert descriptions.describe(night.read(night.schedule(**asked)), "America/New_York") == said


# Tonight


def test_tonight_is_what_the_night_then_does_and_writes_nothing(night: Night) -> None:
    night.practice.claims(3)
    night.practice.claim("CREDIT", Line(-100, 50))
    schedule = night.schedule(claims_max=2, filter={"total_due_max_cents": 1_000_000})

    with night.sessions() as session:
        seen = estimate.estimate_next_run(session, night.read(schedule), now=MADE)
        session.rollback()
    assert night.jobs() == []
    night.tick(FIRST_NIGHT)

    report = night.report(night.run(), FIRST_NIGHT)
    assert (seen.claims, seen.will_settle, seen.skipped) == (4, 3, 1)
    assert (seen.claims, seen.will_settle, seen.skipped) == (report.claims, report.remaining, report.skipped)
    assert (
        (seen.insurance_cents, seen.patient_cents) == (report.insurance_cents, report.patient_cents) == (3_000, 1_500)
    )
    assert seen.by_code == list(report.by_code) == [("credit_insurance", 1)]
    assert seen.over == list(report.over) == ["over_cap_claims"]
    assert seen.as_of == dt.date(2026, 11, 24)


def test_tonight_says_which_limits_for_one_claim_it_would_be_over(night: Night) -> None:
    night.practice.claims(1)
    night.user(night.owner, claim_limit_cents=1_499)

    with night.sessions() as session:
        seen = estimate.estimate_request(session, a_request(), by=night.owner, now=MADE)

    assert seen.over == ["over_user_claim_limit"]


def test_tonight_says_first_that_its_month_is_closed_and_that_a_note_is_missing(night: Night) -> None:
    night.practice.claim("M", Line(0, 100), primary_payer_id=night.practice.payer("M", PayerClass.MEDICARE))

    def notes(**asked: Any) -> list[str]:
        with night.sessions() as session:
            return estimate.estimate_request(session, a_request(**asked), by=night.owner, now=MADE).notes

    assert notes(note="Costs more to collect") == []
    assert [said.partition(",")[0] for said in notes()] == ["This schedule has no note"]
    with transaction(night.sessions) as session:
        closing.close(session, dt.date(2026, 11, 1), by=night.owner, now=MADE)
    assert [said.partition(":")[0] for said in notes(note="x")] == ["November 2026 is closed"]


def test_tonight_leaves_out_what_an_open_job_holds(night: Night) -> None:
    night.practice.claims(2)
    schedule = night.schedule(claims_max=1)
    night.tick(FIRST_NIGHT)

    with night.sessions() as session:
        seen = estimate.estimate_next_run(session, night.read(schedule), now=FIRST_NIGHT)

    assert (seen.will_settle, seen.by_code) == (0, [("in_other_job", 2)])


def test_no_key_of_a_persons_own_is_the_key_of_a_night(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    key = f"schedule {schedule} night 2026-11-24"
    night.practice.preview({"claim_ids": ["C00001"]}, by=night.owner, key=key)
    night.tick(FIRST_NIGHT)

    (of_night,) = (job for job in night.jobs() if job.schedule_id == schedule)
    with pytest.raises(BadIdempotencyKey):
        night.practice.preview({"claim_ids": ["C00001"]}, by=night.owner, key=of_night.idempotency_key)

    assert night.nights() == [("2026-11-24", "job", None)]

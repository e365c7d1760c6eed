"""What users do to schedules, and what is refused."""

import datetime as dt
from typing import Any

import pytest

from core.access import user_management
from core.books import closing
from core.db.engine import transaction
from core.enums.people import Role
from core.enums.practices import PayerClass
from core.enums.schedules import ScheduleMode, ScheduleState
from core.errors import NotAllowed, NotFound
from core.jobs.lifecycle import ConfirmationMismatch
from core.jobs.preview.freezing import BadIdempotencyKey
from core.money import UNLIMITED
from core.practices.create import BadTimeZone
from core.schedules import descriptions, estimates, schedule_commands, schedule_queries
from core.schedules.requests import BadSchedule, ScheduleRequest
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice, a_request, at
from tests.factories import Line, a_practice

DAY = dt.timedelta(days=1)


def test_a_new_schedule_is_active_reports_only_and_is_owned_by_its_creator(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.read(scheduled.schedule(settles=False))

    assert (schedule.mode, schedule.state, schedule.owner_id) == (
        ScheduleMode.REPORT, ScheduleState.ACTIVE, scheduled.owner.user_id,
    )  # fmt: skip
    assert schedule.claims_max == schedule.cents_max == UNLIMITED


@pytest.mark.parametrize("word", ["confirm", "CONFIRM ", "", "CONFIRMED"])
def test_switching_to_settling_requires_the_exact_word(scheduled: ScheduledPractice, word: str) -> None:
    schedule = scheduled.schedule(settles=False)

    with pytest.raises(ConfirmationMismatch):
        scheduled.act(schedule_commands.start_settling, schedule, now=CREATED_AT, confirmation=word, version=1)

    assert scheduled.read(schedule).mode is ScheduleMode.REPORT


def test_a_change_to_a_settling_schedule_requires_the_word_and_makes_the_user_its_owner(
    scheduled: ScheduledPractice,
) -> None:
    schedule = scheduled.schedule()
    other = scheduled.practice.person("other@lakeside.example", Role.ADMIN)
    change = {"request": a_request(claims_max=5), "version": 2, "by": other, "now": CREATED_AT}

    with pytest.raises(ConfirmationMismatch):
        scheduled.act(schedule_commands.change, schedule, **change)
    scheduled.act(schedule_commands.change, schedule, **change, confirmation="CONFIRM")

    changed = scheduled.read(schedule)
    assert (changed.claims_max, changed.mode, changed.owner_id) == (5, ScheduleMode.SETTLE, other.user_id)


def test_a_change_from_an_outdated_page_is_refused(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule(settles=False)
    scheduled.act(schedule_commands.change, schedule, now=CREATED_AT, request=a_request(note="New"), version=1)

    for act, more in (
        (schedule_commands.change, {"request": a_request(note="Old")}),
        (schedule_commands.start_settling, {"confirmation": "CONFIRM"}),
        (schedule_commands.report_only, {}),
    ):
        with pytest.raises(schedule_commands.StaleSchedule):
            scheduled.act(act, schedule, now=CREATED_AT, version=1, **more)

    assert scheduled.read(schedule).note == "New"


def test_a_schedule_name_is_unique_in_a_practice_until_its_schedule_is_deleted(scheduled: ScheduledPractice) -> None:
    first = scheduled.schedule()
    with pytest.raises(schedule_commands.ScheduleNameTaken):
        scheduled.schedule()
    second = scheduled.schedule(name="Other")
    with pytest.raises(schedule_commands.ScheduleNameTaken) as refused:
        scheduled.act(
            schedule_commands.change, second, now=CREATED_AT, request=a_request(), version=2, confirmation="CONFIRM"
        )
    assert "name" in refused.value.facts["faults"]

    scheduled.act(schedule_commands.delete, first, now=CREATED_AT)
    assert scheduled.schedule() not in (first, second)


@pytest.mark.parametrize("role", [Role.BILLER, Role.APPROVER, Role.OPS])
def test_only_administrators_manage_schedules(scheduled: ScheduledPractice, role: Role) -> None:
    schedule = scheduled.schedule()
    other = scheduled.practice.person("other@lakeside.example", role)
    acts: list[tuple[Any, dict[str, Any]]] = [
        (schedule_commands.change, {"request": a_request(), "version": 2}),
        (schedule_commands.start_settling, {"confirmation": "CONFIRM", "version": 2}),
        (schedule_commands.report_only, {"version": 2}),
        (schedule_commands.pause, {}),
        (schedule_commands.resume, {}),
        (schedule_commands.delete, {}),
        (schedule_commands.run_now, {"key": "k"}),
    ]
    for act, more in acts:
        with pytest.raises(NotAllowed):
            scheduled.act(act, schedule, now=CREATED_AT, by=other, **more)
    with pytest.raises(NotAllowed), transaction(scheduled.sessions) as session:
        schedule_commands.create(session, a_request(name="Mine"), by=other, now=CREATED_AT)


def test_a_schedule_of_another_practice_is_not_found(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule()
    stranger = a_practice(scheduled.sessions, name="Other").person("admin@other.example", Role.ADMIN)

    for act in (schedule_commands.pause, schedule_commands.resume, schedule_commands.delete):
        with pytest.raises(NotFound):
            scheduled.act(act, schedule, now=CREATED_AT, by=stranger)
    with pytest.raises(NotFound), scheduled.sessions() as session:
        schedule_queries.find(session, stranger.practice_id, schedule)


def test_a_stopped_schedule_cannot_run_now_and_the_refusal_names_the_reason(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule()
    with transaction(scheduled.sessions) as session:
        admin = scheduled.practice.person("admin@lakeside.example", Role.ADMIN)
        user_management.deactivate(session, scheduled.owner.user_id, by=admin, now=CREATED_AT)
    with pytest.raises(schedule_commands.OwnerNotAllowed):
        scheduled.act(schedule_commands.run_now, schedule, now=CREATED_AT, key="k", by=admin)
    scheduled.tick(CREATED_AT)

    with pytest.raises(schedule_commands.ScheduleIsStopped, match="deactivated"):
        scheduled.act(schedule_commands.run_now, schedule, now=CREATED_AT, key="k", by=admin)


def test_a_paused_schedule_can_run_now_and_stays_paused(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule()
    scheduled.act(schedule_commands.pause, schedule, now=CREATED_AT)

    run = scheduled.run_now(schedule, "k")

    assert (run.job_id is not None, scheduled.read(schedule).state) == (True, ScheduleState.PAUSED)


def test_a_paused_schedule_has_no_next_run_and_a_decided_date_is_never_the_next_run(
    scheduled: ScheduledPractice,
) -> None:
    schedule = scheduled.schedule(local_time="02:30")
    scheduled.tick(FIRST_RUN)
    scheduled.act(
        schedule_commands.change,
        schedule,
        now=FIRST_RUN + dt.timedelta(hours=1),
        request=a_request(local_time="23:00"),
        version=2,
        confirmation="CONFIRM",
    )

    found = scheduled.practice.do(
        schedule_queries.next_run, scheduled.read(schedule), now=FIRST_RUN + dt.timedelta(hours=2)
    )
    assert found is not None
    assert (str(found.date), found.instant) == ("2026-11-25", at("2026-11-26 04:00"))
    scheduled.act(schedule_commands.pause, schedule, now=FIRST_RUN)
    with scheduled.sessions() as session:
        assert schedule_queries.next_run(session, scheduled.read(schedule), now=FIRST_RUN) is None


def test_an_unknown_time_zone_is_refused(scheduled: ScheduledPractice) -> None:
    with pytest.raises(BadTimeZone):
        scheduled.move_to("Mars/Olympus", now=CREATED_AT)


# Requests


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("claims_max", "", "enter a number"),
        ("cents_max", None, "enter a number"),
        ("claims_max", 0, "enter a number"), ("cents_max", True, "enter a number"),
        ("claims_max", 1.5, "enter a number"),
        ("filter", {}, "the filter is empty"), ("filter", {"foo": 1}, "unknown filter key"),
        ("local_time", "2.30", "enter a time of day"), ("local_time", "02:30:30", "enter a time of day"),
        ("weekdays", [], "choose at least one"), ("weekdays", ["noday"], "choose at least one"),
        ("late_minutes", 1_381, "from 1 to 1,380"), ("late_minutes", 0, "from 1 to 1,380"),
        ("mail_to", ["a@b.example\nBcc: c@d.example"], "e-mail addresses"), ("mail_to", ["a b@c.example"], "e-mail"),
        ("name", "", "enter a name"), ("name", "n" * 61, "enter a name"), ("note", "\x00", "at most 500"),
        ("mode", "settle", "not a field of a schedule"),
        ("filter", {"total_due_maximum": 1}, "unknown filter key"), ("filter", None, "use the same keys"),
        ("local_time", "24:00", "enter a time of day"),
        ("weekdays", "mon", "choose at least one"), ("weekdays", ["monday"], "choose at least one"),
        ("mail_to", "office@lakeside.example", "e-mail addresses"), ("mail_to", [7], "e-mail addresses"),
        ("mail_to", ["not an address"], "e-mail"),
        ("claims_max", None, "enter a number"), ("cents_max", 0, "enter a number"),
        ("cents_max", "everything", "enter a number"), ("reason", "", "choose one of the practice's write-off reasons"),
        ("name", " ", "enter a name"),
    ],
)  # fmt: skip
def test_an_invalid_request_is_refused_field_by_field(field: str, value: object, expected: str) -> None:
    with pytest.raises(BadSchedule) as refused:
        a_request(**{field: value})

    assert list(refused.value.facts["faults"]) == [field]
    assert expected in refused.value.facts["faults"][field]


def test_weekdays_and_addresses_are_deduplicated_and_sorted() -> None:
    request = a_request(weekdays=["sun", "mon", "sun"], mail_to=["b@x.example", "a@x.example", "b@x.example"])

    assert (request.weekdays, request.mail_to) == (("mon", "sun"), ("b@x.example", "a@x.example"))
    assert isinstance(request, ScheduleRequest)


# Descriptions


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"weekdays": ["mon", "tue", "wed", "thu", "fri"], "claims_max": 500, "cents_max": 500_000},
            (
                "Every Monday through Friday at 2:30 AM (America/New York), this schedule settles claims (reason: "
                "Small balance). Caps: 500 claims, $5,000.00. A run over a cap needs another user's approval."
            ),
        ),
        (
            {"weekdays": ["mon", "sun"], "local_time": "12:05", "claims_max": 1},
            (
                "Every Monday and Sunday at 12:05 PM (America/New York), this schedule settles claims (reason: "
                "Small balance). Caps: 1 claim, unlimited dollars. A run over a cap needs another user's approval."
            ),
        ),
        (
            {"local_time": "00:00", "cents_max": 500_000},
            (
                "Every day at 12:00 AM (America/New York), this schedule settles claims (reason: Small "
                "balance). Caps: unlimited claims, $5,000.00. A run over a cap needs another user's approval."
            ),
        ),
        (
            {"local_time": "00:00", "reason": "bad_debt"},
            (
                "Every day at 12:00 AM (America/New York), this schedule settles claims (reason: Bad debt). "
                "Caps: unlimited claims, unlimited dollars."
            ),
        ),
    ],
)
def test_a_schedule_is_described_in_a_sentence(
    scheduled: ScheduledPractice, options: dict[str, Any], expected: str
) -> None:
    made = scheduled.read(scheduled.schedule(**options))

    assert scheduled.practice.do(descriptions.describe, made, "America/New_York") == expected


# Estimate of the next run


def test_the_estimate_matches_the_next_run_and_writes_nothing(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(3)
    scheduled.practice.claim("CREDIT", Line(-100, 50))
    schedule = scheduled.schedule(claims_max=2, filter={"total_due_max_cents": 1_000_000})

    with scheduled.sessions() as session:
        seen = estimates.estimate_next_run(session, scheduled.read(schedule), now=CREATED_AT)
        session.rollback()
    assert scheduled.jobs() == []
    scheduled.tick(FIRST_RUN)

    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (seen.claims, seen.will_settle, seen.skipped) == (4, 3, 1)
    assert (seen.claims, seen.will_settle, seen.skipped) == (report.claims, report.remaining, report.skipped)
    assert (
        (seen.insurance_cents, seen.patient_cents) == (report.insurance_cents, report.patient_cents) == (3_000, 1_500)
    )
    assert seen.by_code == list(report.by_code) == [("credit_insurance", 1)]
    assert seen.over == list(report.over) == ["over_cap_claims"]
    assert seen.as_of == dt.date(2026, 11, 24)


def test_the_estimate_names_the_claim_limits_that_the_run_would_exceed(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.user(scheduled.owner, claim_limit_cents=1_499)

    seen = scheduled.practice.do(estimates.estimate_request, a_request(), by=scheduled.owner, now=CREATED_AT)

    assert seen.over == ["over_user_claim_limit"]


def test_the_estimate_reports_a_closed_month_and_a_missing_note(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claim("M", Line(0, 100), primary_payer_id=scheduled.practice.payer("M", PayerClass.MEDICARE))

    def notes(**options: Any) -> list[str]:
        return scheduled.practice.do(
            estimates.estimate_request, a_request(**options), by=scheduled.owner, now=CREATED_AT
        ).notes

    assert notes(note="Costs more to collect") == []
    assert [expected.partition(",")[0] for expected in notes()] == ["This schedule has no note"]
    repeated = notes(note="Small balance")
    assert [expected.partition(",")[0] for expected in repeated] == [
        "This schedule has a note that only repeats the reason"
    ]
    scheduled.practice.do(closing.close, dt.date(2026, 11, 1), by=scheduled.owner, now=CREATED_AT)
    assert [expected.partition(".")[0] for expected in notes(note="x")] == ["November 2026 is closed"]


def test_the_estimate_and_the_run_skip_claims_over_the_small_balance_limit(scheduled: ScheduledPractice) -> None:
    scheduled.practice.sql("UPDATE practice SET small_balance_max_cents = 2500")
    scheduled.practice.claim("small", Line(0, 25_00))
    scheduled.practice.claim("large", Line(0, 25_01))
    schedule = scheduled.schedule()

    seen = scheduled.practice.do(estimates.estimate_next_run, scheduled.read(schedule), now=CREATED_AT)
    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    assert (seen.will_settle, seen.by_code) == (1, [("over_small_balance", 1)])
    assert scheduled.practice.item(scheduled.job_key(), "large").code == "over_small_balance"
    assert scheduled.practice.read("small").billing_status == "Settled"


def test_the_estimate_skips_claims_that_an_unfinished_job_has_reserved(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    schedule = scheduled.schedule(claims_max=1)
    scheduled.tick(FIRST_RUN)

    seen = scheduled.practice.do(estimates.estimate_next_run, scheduled.read(schedule), now=FIRST_RUN)

    assert (seen.will_settle, seen.by_code) == (0, [("in_other_job", 2)])


def test_a_users_idempotency_key_can_never_be_the_key_of_a_scheduled_run(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule()
    key = f"schedule {schedule} night 2026-11-24"
    scheduled.practice.preview({"claim_ids": ["C00001"]}, by=scheduled.owner, key=key)
    scheduled.tick(FIRST_RUN)

    (scheduled_job,) = (job for job in scheduled.jobs() if job.schedule_id == schedule)
    with pytest.raises(BadIdempotencyKey):
        scheduled.practice.preview({"claim_ids": ["C00001"]}, by=scheduled.owner, key=scheduled_job.idempotency_key)

    assert scheduled.outcomes() == [("2026-11-24", "job", None)]

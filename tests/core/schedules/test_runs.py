"""Nights, as ticks find them: one job a night, or a stated reason."""

import datetime as dt

import pytest
from sqlalchemy import delete, select

from core.audit import log
from core.audit.log import AuditFilter
from core.db.engine import transaction
from core.jobs import commands as job_commands
from core.jobs.approval import decide
from core.jobs.execution.sweep import WorkFound
from core.jobs.keys import JobKey
from core.models.claims import Claim, Hold
from core.models.jobs import JobStatus
from core.models.people import AuditEntry
from core.models.practices import BillingStatus
from core.models.schedules import RunOutcome, ScheduleMode
from core.schedules import commands, descriptions
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night, a_request, at
from tests.factories import Line, a_practice

DAY = dt.timedelta(days=1)


def test_a_night_settles_by_itself_what_its_filter_finds_and_once(night: Night) -> None:
    night.practice.claims(3)
    schedule = night.schedule()

    assert night.tick(FIRST_NIGHT - dt.timedelta(seconds=1)) == (WorkFound([], []), False, False)
    found = night.tick(FIRST_NIGHT)
    again = night.tick(FIRST_NIGHT + dt.timedelta(seconds=30))

    run = night.run()
    assert (run.schedule_id, run.local_date, run.due_at) == (schedule, dt.date(2026, 11, 24), FIRST_NIGHT)
    job = night.job(run)
    assert (job.status, job.schedule_id, job.requested_by) == (JobStatus.CONFIRMED, schedule, night.owner.user_id)
    assert found.jobs.work == [(JobKey(job.practice_id, job.id), 1)]
    assert again.jobs.work == []
    night.work(FIRST_NIGHT)
    assert night.report(run, FIRST_NIGHT).settled == 3
    assert night.practice.violations() == []


def test_the_audit_says_that_a_schedule_asked_in_its_owners_name(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.tick(FIRST_NIGHT)

    with night.sessions() as session:
        acts = log.acts(session, night.practice.id, AuditFilter(job=night.job(night.run()).id))

    asked = {act.act: act.details for act in acts if act.act in ("job.requested", "job.confirmed")}
    assert len(asked) == 2
    assert all(("by schedule", str(schedule)) in details for details in asked.values())


def test_a_night_that_settled_nothing_is_not_reported_as_settled(night: Night) -> None:
    night.practice.claims(2)
    night.schedule()
    night.tick(FIRST_NIGHT)
    for number in ("C00001", "C00002"):
        night.practice.change(number)

    night.work(FIRST_NIGHT)

    report = night.report(night.run(), FIRST_NIGHT)
    assert (report.state, report.sentence) == ("none_settled", "No claim was settled: 2 skipped, 0 failed.")


def test_a_new_schedule_reports_and_settles_nothing(night: Night) -> None:
    night.practice.claims(3)
    night.schedule(settles=False)

    found = night.tick(FIRST_NIGHT)

    assert found.jobs.work == []
    job = night.job(night.run())
    assert (job.status, job.claims_total) == (JobStatus.REPORTED, 3)
    night.work(FIRST_NIGHT)
    assert night.practice.write_offs("C00001") == []


def test_a_schedule_that_is_switched_to_settle_settles_from_its_next_night_on(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule(settles=False)
    night.tick(FIRST_NIGHT)
    night.act(commands.start_settling, schedule, now=FIRST_NIGHT, confirmation="CONFIRM", version=1)

    night.tick(FIRST_NIGHT + DAY)

    assert [run.mode for run in night.runs()] == [ScheduleMode.REPORT, ScheduleMode.SETTLE]
    assert [job.status for job in night.jobs()] == [JobStatus.REPORTED, JobStatus.CONFIRMED]


def test_a_filter_that_matches_nothing_makes_a_run_and_no_job(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(filter={"claim_id": "nowhere"})

    night.tick(FIRST_NIGHT)

    assert (night.run().outcome, night.run().because, night.jobs()) == (RunOutcome.NOTHING, None, [])


def test_a_night_whose_claims_are_all_skipped_settles_nothing_and_waits_for_nobody(night: Night) -> None:
    night.practice.claim("H1", Line(100, 100), hold=Hold.LEGAL)
    night.schedule()

    night.tick(FIRST_NIGHT)

    report = night.report(night.run(), FIRST_NIGHT)
    assert (report.state, report.claims, report.skipped, report.is_final) == ("nothing", 1, 1, True)
    assert report.by_code == (("on_hold", 1),)


# Caps and approval


@pytest.mark.parametrize(
    ("caps", "code"), [({"claims_max": 1}, "over_cap_claims"), ({"cents_max": 1}, "over_cap_amount")]
)
def test_over_a_cap_of_one_claim_or_one_cent_the_job_waits_for_another_person(
    night: Night, caps: dict[str, int], code: str
) -> None:
    night.practice.claims(2)
    night.schedule(**caps)

    found = night.tick(FIRST_NIGHT)

    assert found.jobs.work == []
    report = night.report(night.run(), FIRST_NIGHT)
    assert (report.state, report.over, report.settled, report.remaining) == ("waiting", (code,), 0, 2)
    assert "waits for another person" in report.sentence
    night.work(FIRST_NIGHT)
    assert night.practice.write_offs("C00001") == []


def test_one_claim_of_one_cent_is_within_caps_of_one_claim_and_one_cent(night: Night) -> None:
    night.practice.claim("P1", Line(0, 1))
    night.schedule(claims_max=1, cents_max=1)

    night.tick(FIRST_NIGHT)
    night.work(FIRST_NIGHT)

    assert night.practice.write_offs("P1") == [(1, "patient", -1)]


def test_over_its_owners_limit_the_job_waits_and_never_for_the_owner(night: Night) -> None:
    night.practice.claims(2)
    night.user(night.owner, job_limit_cents=2_999)
    night.schedule()
    night.tick(FIRST_NIGHT)
    job = night.job(night.run())
    assert job.status is JobStatus.AWAITING_APPROVAL
    key = JobKey(job.practice_id, job.id)

    with pytest.raises(decide.OwnJob), transaction(night.sessions) as session:
        job_commands.approve(session, key, confirmation="CONFIRM", by=night.owner, now=FIRST_NIGHT)
    with transaction(night.sessions) as session:
        job_commands.approve(session, key, confirmation="CONFIRM", by=night.approver, now=FIRST_NIGHT)
    night.work(FIRST_NIGHT)

    assert night.report(night.run(), FIRST_NIGHT).settled == 2
    assert night.practice.violations() == []


def test_while_a_job_waits_the_next_night_makes_none_for_its_claims_and_says_which_one_waits(night: Night) -> None:
    night.practice.claims(2)
    night.schedule(cents_max=100)
    night.tick(FIRST_NIGHT)
    night.tick(FIRST_NIGHT + DAY)

    waiting, second = night.jobs()
    assert (waiting.status, second.status) == (JobStatus.AWAITING_APPROVAL, JobStatus.REPORTED)
    report = night.report(night.runs()[1], FIRST_NIGHT + DAY)
    assert (report.state, report.held_by, report.skipped) == ("held", (waiting.id,), 2)
    assert f"Left to the open job {waiting.id}: 2 claims" in report.sentence


def test_what_came_since_is_settled_by_the_next_night_though_a_job_waits(night: Night) -> None:
    night.practice.claims(2)
    night.schedule(cents_max=2_000)
    night.tick(FIRST_NIGHT)
    night.practice.claims(1, first=3)

    night.tick(FIRST_NIGHT + DAY)
    night.work(FIRST_NIGHT + DAY)

    report = night.report(night.runs()[1], FIRST_NIGHT + DAY)
    assert (report.state, report.settled, report.skipped) == ("settled", 1, 2)
    assert night.practice.write_offs("C00001") == []
    assert len(night.practice.write_offs("C00003")) == 2
    assert night.practice.violations() == []


def test_a_rejected_job_lets_its_claims_go_to_the_next_night(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(cents_max=100)
    night.tick(FIRST_NIGHT)
    job = night.job(night.run())
    with transaction(night.sessions) as session:
        key = JobKey(job.practice_id, job.id)
        job_commands.reject(session, key, reason="Not these", by=night.approver, now=FIRST_NIGHT)

    night.tick(FIRST_NIGHT + DAY)

    assert [job.status for job in night.jobs()] == [JobStatus.REJECTED, JobStatus.AWAITING_APPROVAL]
    assert night.report(night.runs()[0], FIRST_NIGHT + DAY).state == "rejected"


# Missed nights


def test_a_night_that_nobody_ticked_runs_late_within_its_deadline(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(late_minutes=60)

    night.tick(FIRST_NIGHT + dt.timedelta(minutes=59))

    assert night.nights() == [("2026-11-24", "job", None)]


def test_past_its_deadline_it_is_missed_and_says_why(night: Night) -> None:
    night.practice.claims(1)
    night.schedule(late_minutes=60)

    night.tick(FIRST_NIGHT + dt.timedelta(minutes=61))

    assert night.nights() == [("2026-11-24", "missed", descriptions.TOO_LATE)]
    assert night.jobs() == []
    report = night.report(night.run(), FIRST_NIGHT)
    assert (report.state, report.is_final) == ("missed", True)
    assert "until its deadline" in report.sentence


def test_after_three_days_without_beat_one_night_runs_late_and_the_others_are_missed(night: Night) -> None:
    night.practice.claims(1)
    night.schedule()

    night.tick(FIRST_NIGHT + 3 * DAY + dt.timedelta(hours=2))
    night.tick(FIRST_NIGHT + 3 * DAY + dt.timedelta(hours=3))

    assert night.nights() == [
        *((f"2026-11-{day}", "missed", descriptions.TOO_LATE) for day in (24, 25, 26)),
        ("2026-11-27", "job", None),
    ]
    assert len(night.jobs()) == 1


def test_a_night_still_within_its_deadline_gives_way_to_the_next_one(night: Night) -> None:
    # The clock springs, so that two nights are 23 hours apart, which is the longest deadline.
    night.practice.claims(1)
    night.schedule(now=at("2026-03-06 12:00"), late_minutes=1_380, local_time="03:00")

    night.tick(at("2026-03-08 07:00"))  # the second night begins, the first was due at 08:00 of the day before

    assert night.nights() == [("2026-03-07", "missed", descriptions.NEXT_NIGHT_CAME), ("2026-03-08", "job", None)]


def test_paused_nights_pass_and_are_nobodys(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.act(commands.pause, schedule, now=MADE)
    night.tick(FIRST_NIGHT)
    night.act(commands.resume, schedule, now=FIRST_NIGHT + dt.timedelta(hours=1))

    night.tick(FIRST_NIGHT + dt.timedelta(hours=1))
    night.tick(FIRST_NIGHT + DAY)

    assert night.nights() == [("2026-11-25", "job", None)]


def test_a_deleted_schedule_has_no_nights_and_its_runs_stay(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.tick(FIRST_NIGHT)
    night.act(commands.delete, schedule, now=FIRST_NIGHT)

    night.tick(FIRST_NIGHT + DAY)

    assert night.nights() == [("2026-11-24", "job", None)]


# What runs now, and what is edited meanwhile


def test_run_now_pressed_twice_runs_once_and_does_not_use_up_the_night(night: Night) -> None:
    night.practice.claims(2)
    schedule = night.schedule()

    first, second = night.run_now(schedule, "one key"), night.run_now(schedule, "one key")
    night.work(MADE)
    night.practice.claims(1, first=3)
    night.tick(FIRST_NIGHT)

    assert first.id == second.id
    assert [(str(run.local_date), run.run_key, run.outcome) for run in night.runs()] == [
        ("None", "one key", RunOutcome.JOB),
        ("2026-11-24", None, RunOutcome.JOB),
    ]
    assert first.asked_by == night.owner.user_id


def test_an_edit_while_a_run_goes_on_changes_the_next_run_alone(night: Night) -> None:
    night.practice.claims(3)
    schedule = night.schedule()
    night.tick(FIRST_NIGHT)
    night.act(
        commands.change, schedule, now=FIRST_NIGHT, request=a_request(claims_max=1, note="Fewer", name="Fewer"),
        version=night.read(schedule).version, confirmation="CONFIRM",
    )  # fmt: skip
    night.work(FIRST_NIGHT)

    run = night.run()
    assert (run.asked["name"], night.job(run).note) == ("Small balances", "")
    assert night.report(run, FIRST_NIGHT).settled == 3


def test_a_night_whose_time_was_changed_before_it_came_comes_at_the_new_time(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.act(
        commands.change, schedule, now=at("2026-11-24 05:00"), request=a_request(local_time="04:00"),
        version=night.read(schedule).version, confirmation="CONFIRM",
    )  # fmt: skip

    night.tick(FIRST_NIGHT)
    assert night.runs() == []
    night.tick(at("2026-11-24 09:00"))
    assert night.nights() == [("2026-11-24", "job", None)]


def test_a_night_that_a_rule_refuses_as_a_whole_has_failed_with_its_code(night: Night) -> None:
    """A billing status that the filter names may be gone; here the whole status that the job moves to."""
    night.practice.claims(1)
    night.schedule()
    with transaction(night.sessions) as session:
        session.execute(delete(BillingStatus).where(BillingStatus.name == "Settled"))

    night.tick(FIRST_NIGHT)

    assert night.nights() == [("2026-11-24", "failed", "unknown_billing_status")]
    assert night.jobs() == []


def test_the_audit_says_of_each_night_what_came_of_it_without_a_name(night: Night) -> None:
    night.practice.claims(1)
    schedule = night.schedule(note="For Mr. Canary", name="Canary")
    night.tick(FIRST_NIGHT)

    with night.sessions() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == f"schedule:{schedule}")).all()
    assert [entry.act for entry in entries] == ["schedule.made", "schedule.mode_changed", "schedule.ran"]
    assert entries[-1].facts["job"] == night.run().job_id
    assert "Canary" not in str([entry.facts for entry in entries])


def test_two_practices_nights_do_not_meet(night: Night) -> None:
    other = a_practice(night.sessions, name="Other")
    other.claims(2)
    night.practice.claims(1)
    night.schedule()

    night.tick(FIRST_NIGHT)
    night.work(FIRST_NIGHT)

    with night.sessions() as session:
        settled = session.scalars(select(Claim.practice_id).where(Claim.billing_status == "Settled")).all()
    assert settled == [night.practice.id]

"""Scheduled runs, driven by ticks: one job per run date, or a recorded reason."""

import datetime as dt

import pytest
from sqlalchemy import delete, select

from core.audit import log
from core.audit.log import AuditFilter
from core.db.engine import transaction
from core.enums.claims import Hold
from core.enums.jobs import JobStatus
from core.enums.practices import WriteOffSetting
from core.enums.schedules import RunOutcome, ScheduleMode
from core.jobs import requesters
from core.jobs.execution.sweep import WorkFound
from core.jobs.keys import JobKey
from core.models.claims import Claim
from core.models.people import AuditEntry
from core.models.practices import BillingStatus
from core.practices import write_off_setting
from core.practices.write_off_setting import SettingNotChosen
from core.schedules import descriptions, estimates, schedule_commands
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice, a_request, at
from tests.factories import Line, a_practice

DAY = dt.timedelta(days=1)


def test_a_scheduled_run_settles_the_claims_of_its_filter_once(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(3)
    schedule = scheduled.schedule()

    assert scheduled.tick(FIRST_RUN - dt.timedelta(seconds=1)) == (WorkFound([], []), False)
    found = scheduled.tick(FIRST_RUN)
    again = scheduled.tick(FIRST_RUN + dt.timedelta(seconds=30))

    run = scheduled.run()
    assert (run.schedule_id, run.local_date, run.due_at) == (schedule, dt.date(2026, 11, 24), FIRST_RUN)
    job = scheduled.job(run)
    assert (job.status, job.schedule_id, job.requested_by) == (JobStatus.CONFIRMED, schedule, scheduled.owner.user_id)
    assert found.jobs.work == [(JobKey(job.practice_id, job.id), 1)]
    assert again.jobs.work == []
    scheduled.work(FIRST_RUN)
    assert scheduled.report(run, FIRST_RUN).settled == 3
    assert scheduled.practice.violations() == []


def test_the_audit_names_the_schedule_beside_its_owner(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule()
    scheduled.tick(FIRST_RUN)

    acts = scheduled.practice.do(log.acts, scheduled.practice.id, AuditFilter(job=scheduled.job(scheduled.run()).id))

    details_by_act = {act.act: act.details for act in acts if act.act in ("job.requested", "job.confirmed")}
    assert len(details_by_act) == 2
    assert all(("by schedule", str(schedule)) in details for details in details_by_act.values())


def test_a_run_that_settled_no_claim_is_not_reported_as_settled(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    scheduled.schedule()
    scheduled.tick(FIRST_RUN)
    for number in ("C00001", "C00002"):
        scheduled.practice.change(number)

    scheduled.work(FIRST_RUN)

    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (report.state, report.sentence) == ("none_settled", "No claim was settled: 2 skipped, 0 failed.")


def test_a_new_schedule_only_reports(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(3)
    scheduled.schedule(settles=False)

    found = scheduled.tick(FIRST_RUN)

    assert found.jobs.work == []
    job = scheduled.job(scheduled.run())
    assert (job.status, job.claims_total) == (JobStatus.REPORTED, 3)
    scheduled.work(FIRST_RUN)
    assert scheduled.practice.write_offs("C00001") == []


def test_a_schedule_switched_to_settling_settles_from_its_next_run(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule(settles=False)
    scheduled.tick(FIRST_RUN)
    scheduled.act(schedule_commands.start_settling, schedule, now=FIRST_RUN, confirmation="CONFIRM", version=1)

    scheduled.tick(FIRST_RUN + DAY)

    assert [run.mode for run in scheduled.runs()] == [ScheduleMode.REPORT, ScheduleMode.SETTLE]
    assert [job.status for job in scheduled.jobs()] == [JobStatus.REPORTED, JobStatus.CONFIRMED]


def test_a_filter_that_matches_nothing_makes_a_run_and_no_job(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(filter={"claim_id": "nowhere"})

    scheduled.tick(FIRST_RUN)

    assert (scheduled.run().outcome, scheduled.run().reason_code, scheduled.jobs()) == (RunOutcome.NOTHING, None, [])


def test_a_run_whose_claims_are_all_skipped_needs_no_approval(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claim("H1", Line(100, 100), hold=Hold.LEGAL)
    scheduled.schedule()

    scheduled.tick(FIRST_RUN)

    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (report.state, report.claims, report.skipped, report.is_final) == ("nothing", 1, 1, True)
    assert report.by_code == (("on_hold", 1),)


# Caps and approval


@pytest.mark.parametrize(
    ("caps", "code"), [({"claims_max": 1}, "over_cap_claims"), ({"cents_max": 1}, "over_cap_amount")]
)
def test_a_job_over_a_cap_of_one_claim_or_one_cent_awaits_approval(
    scheduled: ScheduledPractice, caps: dict[str, int], code: str
) -> None:
    scheduled.practice.claims(2)
    scheduled.schedule(**caps)

    found = scheduled.tick(FIRST_RUN)

    assert found.jobs.work == []
    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (report.state, report.over, report.settled, report.remaining) == ("waiting", (code,), 0, 2)
    assert "needs another user's approval" in report.sentence
    scheduled.work(FIRST_RUN)
    assert scheduled.practice.write_offs("C00001") == []


def test_one_claim_of_one_cent_is_within_caps_of_one_claim_and_one_cent(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claim("P1", Line(0, 1))
    scheduled.schedule(claims_max=1, cents_max=1)

    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    assert scheduled.practice.write_offs("P1") == [(1, "patient", -1)]


def test_a_job_over_its_owners_limit_awaits_approval_by_another_user(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    scheduled.practice.limit_of(scheduled.owner, job=2_999)
    scheduled.schedule(claims_max=1)
    scheduled.tick(FIRST_RUN)
    job = scheduled.job(scheduled.run())
    assert job.status is JobStatus.AWAITING_APPROVAL
    assert [one["code"] for one in job.limits_exceeded] == ["over_user_job_limit", "over_cap_claims"]

    with pytest.raises(requesters.OwnJob):
        scheduled.practice.approve(scheduled.job_key(), by=scheduled.owner, now=FIRST_RUN)
    scheduled.practice.approve(scheduled.job_key(), by=scheduled.approver, now=FIRST_RUN)
    scheduled.work(FIRST_RUN)

    assert scheduled.report(scheduled.run(), FIRST_RUN).settled == 2
    assert scheduled.practice.violations() == []


def test_a_run_skips_claims_reserved_by_a_waiting_job_and_names_the_job(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    scheduled.schedule(cents_max=100)
    scheduled.tick(FIRST_RUN)
    scheduled.tick(FIRST_RUN + DAY)

    waiting, second = scheduled.jobs()
    assert (waiting.status, second.status) == (JobStatus.AWAITING_APPROVAL, JobStatus.REPORTED)
    report = scheduled.report(scheduled.runs()[1], FIRST_RUN + DAY)
    assert (report.state, report.held_by, report.skipped) == ("held", (waiting.id,), 2)
    assert f"Already in unfinished job {waiting.id}: 2 claims" in report.sentence


def test_the_next_run_settles_new_claims_although_a_job_waits(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    scheduled.schedule(cents_max=2_000)
    scheduled.tick(FIRST_RUN)
    scheduled.practice.claims(1, first=3)

    scheduled.tick(FIRST_RUN + DAY)
    scheduled.work(FIRST_RUN + DAY)

    report = scheduled.report(scheduled.runs()[1], FIRST_RUN + DAY)
    assert (report.state, report.settled, report.skipped) == ("settled", 1, 2)
    assert scheduled.practice.write_offs("C00001") == []
    assert len(scheduled.practice.write_offs("C00003")) == 2
    assert scheduled.practice.violations() == []


def test_a_rejected_job_releases_its_claims_to_the_next_run(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(cents_max=100)
    scheduled.tick(FIRST_RUN)
    scheduled.practice.reject(scheduled.job_key(), by=scheduled.approver, now=FIRST_RUN)

    scheduled.tick(FIRST_RUN + DAY)

    assert [job.status for job in scheduled.jobs()] == [JobStatus.REJECTED, JobStatus.AWAITING_APPROVAL]
    assert scheduled.report(scheduled.runs()[0], FIRST_RUN + DAY).state == "rejected"


# Missed runs


def test_a_run_without_a_timely_tick_starts_late_within_its_grace_period(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(late_minutes=60)

    scheduled.tick(FIRST_RUN + dt.timedelta(minutes=59))

    assert scheduled.outcomes() == [("2026-11-24", "job", None)]


def test_a_run_past_its_grace_period_is_recorded_as_missed_with_the_reason(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule(late_minutes=60)

    scheduled.tick(FIRST_RUN + dt.timedelta(minutes=61))

    assert scheduled.outcomes() == [("2026-11-24", "missed", descriptions.TOO_LATE)]
    assert scheduled.jobs() == []
    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert (report.state, report.is_final) == ("missed", True)
    assert "No process was running to start the run before its deadline" in report.sentence


def test_after_three_days_without_beat_one_run_starts_late_and_the_others_are_missed(
    scheduled: ScheduledPractice,
) -> None:
    scheduled.practice.claims(1)
    scheduled.schedule()

    scheduled.tick(FIRST_RUN + 3 * DAY + dt.timedelta(hours=2))
    scheduled.tick(FIRST_RUN + 3 * DAY + dt.timedelta(hours=3))

    assert scheduled.outcomes() == [
        *((f"2026-11-{day}", "missed", descriptions.TOO_LATE) for day in (24, 25, 26)),
        ("2026-11-27", "job", None),
    ]
    assert len(scheduled.jobs()) == 1


def test_a_run_still_within_its_grace_period_is_replaced_by_the_next_run(scheduled: ScheduledPractice) -> None:
    # The clock springs forward, so two runs are 23 hours apart, which is the longest grace period.
    scheduled.practice.claims(1)
    scheduled.schedule(now=at("2026-03-06 12:00"), late_minutes=1_380, local_time="03:00")

    scheduled.tick(at("2026-03-08 07:00"))  # the second run starts; the first was due at 08:00 the day before

    assert scheduled.outcomes() == [("2026-03-07", "missed", descriptions.NEXT_RUN_CAME), ("2026-03-08", "job", None)]


# Run now, and edits during a run


def test_repeating_run_now_runs_once_and_does_not_replace_the_scheduled_run(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    schedule = scheduled.schedule()

    first, second = scheduled.run_now(schedule, "one key"), scheduled.run_now(schedule, "one key")
    scheduled.work(CREATED_AT)
    scheduled.practice.claims(1, first=3)
    scheduled.tick(FIRST_RUN)

    assert first.id == second.id
    assert [(str(run.local_date), run.run_key, run.outcome) for run in scheduled.runs()] == [
        ("None", "one key", RunOutcome.JOB),
        ("2026-11-24", None, RunOutcome.JOB),
    ]
    assert first.requested_by == scheduled.owner.user_id


def test_an_edit_during_a_run_changes_only_the_next_run(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(3)
    schedule = scheduled.schedule()
    scheduled.tick(FIRST_RUN)
    scheduled.act(
        schedule_commands.change, schedule, now=FIRST_RUN, request=a_request(claims_max=1, note="Fewer", name="Fewer"),
        version=scheduled.read(schedule).version, confirmation="CONFIRM",
    )  # fmt: skip
    scheduled.work(FIRST_RUN)

    run = scheduled.run()
    assert (run.schedule_snapshot["name"], scheduled.job(run).note) == ("Small balances", "")
    assert scheduled.report(run, FIRST_RUN).settled == 3


def test_a_run_whose_job_is_refused_is_recorded_as_failed_with_the_code(scheduled: ScheduledPractice) -> None:
    """A billing status that the filter names may be gone. Here it is the target status of the job."""
    scheduled.practice.claims(1)
    scheduled.schedule()
    with transaction(scheduled.sessions) as session:
        session.execute(delete(BillingStatus).where(BillingStatus.name == "Settled"))

    scheduled.tick(FIRST_RUN)

    assert scheduled.outcomes() == [("2026-11-24", "failed", "unknown_billing_status")]
    assert scheduled.jobs() == []


def test_a_schedule_settles_nothing_until_the_practice_has_chosen_its_setting(scheduled: ScheduledPractice) -> None:
    scheduled.practice.sql("UPDATE practice SET write_off = 'neither', write_off_chosen = false")
    scheduled.practice.claims(2)
    schedule = scheduled.schedule()
    why = "The practice has not chosen its Balance Writeoff setting"
    with pytest.raises(SettingNotChosen):
        scheduled.practice.do(estimates.estimate_next_run, scheduled.read(schedule), now=CREATED_AT)

    scheduled.tick(FIRST_RUN)

    assert scheduled.outcomes() == [("2026-11-24", "failed", "write_off_setting_not_chosen")]
    assert scheduled.report(scheduled.run(), FIRST_RUN).sentence.startswith(f"Failed: {why}. After an administrator")
    with pytest.raises(SettingNotChosen):
        scheduled.run_now(schedule, "early", now=FIRST_RUN)
    assert scheduled.jobs() == []

    both = {"practice_id": scheduled.practice.id, "setting": WriteOffSetting.BOTH, "now": FIRST_RUN}
    scheduled.practice.do(write_off_setting.set_for_practice, by=scheduled.owner, **both)
    now = scheduled.run_now(schedule, "chosen", now=FIRST_RUN)
    scheduled.work(FIRST_RUN)
    assert scheduled.report(now, FIRST_RUN).settled == 2


def test_a_report_only_schedule_of_a_practice_that_has_not_chosen_fails_too(scheduled: ScheduledPractice) -> None:
    scheduled.practice.sql("UPDATE practice SET write_off = 'neither', write_off_chosen = false")
    scheduled.practice.claims(1)
    scheduled.schedule(settles=False)

    scheduled.tick(FIRST_RUN)

    assert scheduled.outcomes() == [("2026-11-24", "failed", "write_off_setting_not_chosen")]


@pytest.mark.parametrize("settles", [True, False])
def test_a_run_under_the_setting_neither_reports_that_nothing_is_written_off(
    scheduled: ScheduledPractice, settles: bool
) -> None:
    scheduled.practice.set_write_off(WriteOffSetting.NEITHER)
    scheduled.practice.claims(1)
    scheduled.schedule(settles=settles)

    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    report = scheduled.report(scheduled.run(), FIRST_RUN)
    assert report.sentence.endswith(". The Balance Writeoff setting is Neither, so $0.00 is written off.")


def test_the_audit_records_the_outcome_of_each_run_without_a_name(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule(note="For Mr. Canary", name="Canary")
    scheduled.tick(FIRST_RUN)

    with scheduled.sessions() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject == f"schedule:{schedule}")).all()
    assert [entry.act for entry in entries] == ["schedule.made", "schedule.mode_changed", "schedule.ran"]
    assert entries[-1].facts["job"] == scheduled.run().job_id
    assert "Canary" not in str([entry.facts for entry in entries])


def test_a_scheduled_run_does_not_touch_another_practice(scheduled: ScheduledPractice) -> None:
    other = a_practice(scheduled.sessions, name="Other")
    other.claims(2)
    scheduled.practice.claims(1)
    scheduled.schedule()

    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    with scheduled.sessions() as session:
        settled = session.scalars(select(Claim.practice_id).where(Claim.billing_status == "Settled")).all()
    assert settled == [scheduled.practice.id]

"""Concurrent ticks, two beats, a user and a tick: always one job per run date."""

import datetime as dt

import pytest
from sqlalchemy import text

from core.db.engine import transaction
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.enums.schedules import ScheduleState
from core.errors import Refusal
from core.jobs import prepare
from core.jobs.keys import JobKey
from core.schedules import schedule_commands
from tests.at_once import raised_at_once
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice, a_request

ROUNDS = 6
DAY = dt.timedelta(days=1)


def test_concurrent_ticks_make_one_job_per_schedule_and_run_date(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(3)
    for number in range(3):
        scheduled.schedule(name=f"Schedule {number}", settles=False)

    for round_ in range(ROUNDS):
        moment = FIRST_RUN + round_ * DAY
        raised = raised_at_once(*[lambda moment=moment: scheduled.tick(moment)] * 4)  # type: ignore[misc]
        scheduled.tick(moment)  # run what the four ticks skipped because another had it locked

        assert raised == []
        assert len(scheduled.runs()) == len(scheduled.jobs()) == 3 * (round_ + 1)
    runs_by_date = [(run.schedule_id, run.local_date) for run in scheduled.runs()]
    assert len(set(runs_by_date)) == len(runs_by_date)


def test_run_now_sent_from_several_windows_at_once_runs_once(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(2)
    schedule = scheduled.schedule()

    for round_ in range(ROUNDS):
        raised = raised_at_once(*[lambda key=f"round {round_}": scheduled.run_now(schedule, key)] * 3)  # type: ignore[misc]

        assert raised == []
        assert len(scheduled.runs()) == len(scheduled.jobs()) == round_ + 1
    scheduled.work(CREATED_AT)
    assert scheduled.practice.violations() == []


def test_a_pause_racing_a_tick_either_starts_the_run_or_prevents_it(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule(settles=False)

    for round_ in range(ROUNDS):
        moment, before = FIRST_RUN + round_ * DAY, len(scheduled.runs())

        raised = raised_at_once(
            lambda moment=moment: scheduled.tick(moment),  # type: ignore[misc]
            lambda moment=moment: scheduled.act(schedule_commands.pause, schedule, now=moment),  # type: ignore[misc]
        )

        assert raised == []
        assert scheduled.read(schedule).state is ScheduleState.PAUSED
        after = len(scheduled.runs())
        scheduled.tick(moment)
        assert len(scheduled.runs()) == after <= before + 1
        scheduled.act(schedule_commands.resume, schedule, now=moment + dt.timedelta(hours=1))


def test_concurrent_changes_to_a_schedule_do_not_overwrite_each_other(scheduled: ScheduledPractice) -> None:
    schedule = scheduled.schedule(settles=False)
    version = scheduled.read(schedule).version

    def change(note: str) -> None:
        with transaction(scheduled.sessions) as session:
            request = a_request(note=note)
            schedule_commands.change(session, schedule, request, version=version, by=scheduled.owner, now=CREATED_AT)

    raised = raised_at_once(lambda: change("mine"), lambda: change("yours"))

    (stale,) = raised
    assert isinstance(stale, schedule_commands.StaleSchedule)
    assert isinstance(stale, Refusal)
    assert scheduled.read(schedule).version == version + 1


def test_a_time_zone_change_racing_ticks_leaves_every_run_decided_once(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    for number in range(3):
        scheduled.schedule(name=f"Schedule {number}", settles=False)
    moment = FIRST_RUN

    raised = raised_at_once(
        lambda: scheduled.tick(moment),
        lambda: scheduled.move_to("Asia/Tokyo", now=moment),
        lambda: scheduled.tick(moment),
    )
    scheduled.tick(moment)

    assert raised == []
    dates = [(run.schedule_id, str(run.local_date)) for run in scheduled.runs()]
    assert len(dates) == len(set(dates)) == 3
    assert {date for _, date in dates} == {"2026-11-24"}


@pytest.mark.parametrize("cents_max", ["unlimited", 1])
@pytest.mark.parametrize("is_large", [False, True])
def test_concurrent_runs_of_two_owners_never_take_the_same_claims(
    scheduled: ScheduledPractice, cents_max: object, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_large:
        monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    scheduled.practice.claims(20)
    schedules = {scheduled.owner: scheduled.schedule(name="One", cents_max=cents_max)}
    other = scheduled.practice.person("other@lakeside.example", Role.ADMIN)
    with transaction(scheduled.sessions) as session:
        made = schedule_commands.create(session, a_request(name="Two", cents_max=cents_max), by=other, now=CREATED_AT)
        schedule_commands.start_settling(session, made.id, confirmation="CONFIRM", version=1, by=other, now=CREATED_AT)
    schedules[other] = made.id

    def prepare_job(number: int) -> None:
        job = scheduled.jobs()[number]
        scheduled.practice.do(prepare.prepare, JobKey(job.practice_id, job.id), now=FIRST_RUN)

    raised_at_once(lambda: scheduled.tick(FIRST_RUN), lambda: scheduled.tick(FIRST_RUN))
    scheduled.tick(FIRST_RUN)
    assert raised_at_once(lambda: prepare_job(0), lambda: prepare_job(1)) == []
    for number in range(2):
        prepare_job(number)  # the one that did not get the lock

    assert len(scheduled.jobs()) == len(schedules)
    assert sorted((job.preview or {})["will_settle"] for job in scheduled.jobs()) == [0, 20]
    statuses = {job.status for job in scheduled.jobs()}
    assert statuses == {JobStatus.REPORTED, JobStatus.CONFIRMED if cents_max != 1 else JobStatus.AWAITING_APPROVAL}


def test_a_run_waits_for_another_preview_and_then_skips_the_claims_that_it_reserved(
    scheduled: ScheduledPractice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    scheduled.practice.claims(3)
    scheduled.schedule()
    scheduled.tick(FIRST_RUN)
    job = scheduled.job(scheduled.run())

    with scheduled.sessions() as locker:
        locker.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('nights', :id))"), {"id": job.practice_id})
        scheduled.work(FIRST_RUN)
        assert scheduled.job(scheduled.run()).status is JobStatus.PREPARING
    scheduled.work(FIRST_RUN)

    assert scheduled.job(scheduled.run()).status is JobStatus.COMPLETED


def test_two_schedules_on_the_same_claims_settle_each_claim_once(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(4)
    for number in range(2):
        scheduled.schedule(name=f"Schedule {number}")

    raised_at_once(lambda: scheduled.tick(FIRST_RUN), lambda: scheduled.tick(FIRST_RUN))
    scheduled.tick(FIRST_RUN)
    scheduled.work(FIRST_RUN)

    assert all(job.status in (JobStatus.COMPLETED, JobStatus.REPORTED) for job in scheduled.jobs())
    assert len(scheduled.practice.write_offs("C00001")) == 2
    assert scheduled.practice.violations() == []

"""Run now: both the user who starts it and the schedule's owner are requesters, so a third user must approve."""

import datetime as dt

import pytest
from sqlalchemy import text

from core.access.permissions import Actor
from core.db.engine import transaction
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.errors import NotAllowed
from core.jobs import requesters
from core.jobs.approval import inbox
from core.jobs.keys import JobKey
from core.jobs.requesters import OwnJob
from core.models.jobs import SettleJob
from core.schedules import schedule_commands
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice

WAITS, RUNS = JobStatus.AWAITING_APPROVAL, JobStatus.CONFIRMED


@pytest.fixture
def caller(scheduled: ScheduledPractice) -> Actor:
    return scheduled.practice.person("caller@lakeside.example", Role.ADMIN)


def run_now(
    scheduled: ScheduledPractice, schedule: int, *, by: Actor, key: str = "key", now: dt.datetime = CREATED_AT
) -> SettleJob:
    return scheduled.job(scheduled.act(schedule_commands.run_now, schedule, key=key, by=by, now=now))


def key_of(job: SettleJob) -> JobKey:
    return JobKey(job.practice_id, job.id)


def codes(job: SettleJob) -> list[str]:
    return [one["code"] for one in job.limits_exceeded]


def test_neither_the_caller_of_run_now_nor_the_owner_may_approve_the_job(
    scheduled: ScheduledPractice, caller: Actor
) -> None:
    scheduled.practice.claims(2)
    scheduled.practice.limit(job=2_000)
    job = run_now(scheduled, scheduled.schedule(), by=caller)

    assert (job.status, job.requested_by, job.confirmed_by) == (WAITS, caller.user_id, scheduled.owner.user_id)
    for requester in (caller, scheduled.owner):
        with pytest.raises(OwnJob):
            scheduled.practice.approve(key_of(job), by=requester, now=CREATED_AT)
        with pytest.raises(OwnJob):
            scheduled.practice.reject(key_of(job), by=requester, now=CREATED_AT)
        with scheduled.sessions() as session:
            assert inbox.jobs_to_approve(session, requester, now=CREATED_AT) == []
            assert [one.id for one in inbox.my_jobs_awaiting_approval(session, requester)] == [job.id]
    with scheduled.sessions() as session:
        assert [user.id for user in requesters.approvers(session, job, now=FIRST_RUN)] == [scheduled.approver.user_id]
    scheduled.practice.approve(key_of(job), by=scheduled.approver, now=CREATED_AT)
    scheduled.work(CREATED_AT)
    assert scheduled.practice.counts(key_of(job))["settled"] == 2
    assert scheduled.practice.violations() == []


@pytest.mark.parametrize("strict", ["caller", "owner"])
def test_the_stricter_limits_of_caller_and_owner_apply(
    scheduled: ScheduledPractice, caller: Actor, strict: str
) -> None:
    scheduled.practice.claims(1)
    scheduled.practice.limit_of(caller if strict == "caller" else scheduled.owner, claim=1_000, job=1_200)

    job = run_now(scheduled, scheduled.schedule(), by=caller)

    assert (job.status, codes(job)) == (WAITS, ["over_user_claim_limit", "over_user_job_limit"])


def test_a_large_run_now_applies_the_stricter_limits_when_it_is_prepared(
    scheduled: ScheduledPractice, caller: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 1)
    scheduled.practice.claims(2)
    job = run_now(scheduled, scheduled.schedule(), by=caller)
    scheduled.practice.limit_of(caller, job=2_999)

    scheduled.work(CREATED_AT)

    prepared = scheduled.job(scheduled.run())
    assert (job.status, prepared.status, codes(prepared)) == (JobStatus.PREPARING, WAITS, ["over_user_job_limit"])


def test_run_now_and_manual_jobs_of_a_user_share_the_daily_limit_but_scheduled_runs_do_not(
    scheduled: ScheduledPractice, caller: Actor
) -> None:
    scheduled.practice.claims(4)
    scheduled.practice.limit(job=2_000)
    by_hand = scheduled.practice.preview({"claim_ids": ["C00001"]}, by=caller, now=CREATED_AT)
    scheduled.practice.confirm(by_hand, by=caller, now=CREATED_AT)
    schedules = [scheduled.schedule(name=number, filter={"claim_id": number}) for number in ("C00002", "C00003")]

    first = run_now(scheduled, schedules[0], by=caller)
    of_owner = run_now(scheduled, schedules[1], by=scheduled.owner)
    again = scheduled.practice.preview({"claim_ids": ["C00004"]}, by=scheduled.owner, key="again", now=CREATED_AT)
    of_owner_by_hand = scheduled.practice.confirm(again, by=scheduled.owner, now=CREATED_AT)

    assert (first.status, codes(first)) == (WAITS, ["over_day_limit"])
    assert first.limits_exceeded[0]["jobs"] == [by_hand.job_id]
    assert of_owner.status is RUNS
    assert (of_owner_by_hand.status, of_owner_by_hand.limits_exceeded[0]["jobs"]) == (WAITS, [of_owner.id])


def test_a_scheduled_run_counts_toward_its_owners_sum_of_24_hours(
    scheduled: ScheduledPractice,
) -> None:
    scheduled.practice.claims(3)
    scheduled.practice.limit(job=2_000)
    scheduled.schedule(filter={"claim_id": "C00001"})
    scheduled.tick(FIRST_RUN)

    by_hand = scheduled.practice.preview({"claim_ids": ["C00002"]}, by=scheduled.owner, now=FIRST_RUN)

    waits = scheduled.practice.confirm(by_hand, by=scheduled.owner, now=FIRST_RUN)
    (nightly,) = [job for job in scheduled.jobs() if job.schedule_id is not None]
    assert (waits.status, waits.limits_exceeded[0]["jobs"]) == (WAITS, [nightly.id])


def test_run_now_counts_toward_the_sum_of_the_same_schedules_next_run(scheduled: ScheduledPractice) -> None:
    scheduled.practice.claims(1)
    scheduled.practice.limit(job=2_000)
    now_job = scheduled.job(scheduled.run_now(scheduled.schedule(), "k", now=FIRST_RUN))
    scheduled.work(FIRST_RUN)
    scheduled.practice.claims(1, first=2)

    scheduled.tick(FIRST_RUN)

    nightly = scheduled.jobs()[-1]
    assert (nightly.status, nightly.limits_exceeded[0]["jobs"]) == (WAITS, [now_job.id])


def test_a_user_who_lost_the_role_cannot_run_now(scheduled: ScheduledPractice, caller: Actor) -> None:
    scheduled.practice.claims(1)
    schedule = scheduled.schedule()
    scheduled.user(caller, role=Role.BILLER)

    with pytest.raises(NotAllowed):
        run_now(scheduled, schedule, by=caller)

    assert scheduled.runs() == []


def test_a_run_whose_caller_leaves_during_preparation_settles_nothing_and_gives_the_reason(
    scheduled: ScheduledPractice, caller: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 1)
    scheduled.practice.claims(2)
    job = run_now(scheduled, scheduled.schedule(), by=caller)
    scheduled.user(caller, active=False)

    scheduled.work(CREATED_AT)

    discarded = scheduled.job(scheduled.run())
    assert (job.status, discarded.status) == (JobStatus.PREPARING, JobStatus.DISCARDED)
    sentence = scheduled.report(scheduled.run(), CREATED_AT).sentence
    assert "The user who chose Run now was deactivated or no longer has the required role" in sentence


def test_the_database_refuses_an_approval_by_caller_or_owner(scheduled: ScheduledPractice, caller: Actor) -> None:
    scheduled.practice.claims(1)
    scheduled.practice.limit(job=1)
    job = run_now(scheduled, scheduled.schedule(), by=caller)

    for requester in (caller, scheduled.owner):
        with (
            pytest.raises(Exception, match="a_requester_does_not_decide_on_the_job"),
            transaction(scheduled.sessions) as session,
        ):
            session.execute(
                text("UPDATE settle_job SET decided_by = :who WHERE id = :job"),
                {"who": requester.user_id, "job": job.id},
            )

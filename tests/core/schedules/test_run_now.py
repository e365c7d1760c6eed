"""Run now: who presses it and the schedule's owner both asked for the job, and a third person decides on it."""

import datetime as dt

import pytest
from sqlalchemy import text

from core.access.permissions import Actor
from core.db.engine import transaction
from core.errors import NotAllowed
from core.jobs.approval import inbox
from core.jobs.approval.decide import OwnJob
from core.jobs.keys import JobKey
from core.models.jobs import JobStatus, SettleJob
from core.models.people import Role
from core.schedules import commands
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night

WAITS, RUNS = JobStatus.AWAITING_APPROVAL, JobStatus.CONFIRMED


@pytest.fixture
def presser(night: Night) -> Actor:
    return night.practice.person("presser@lakeside.example", Role.ADMIN)


def run_now(night: Night, schedule: int, *, by: Actor, key: str = "key", now: dt.datetime = MADE) -> SettleJob:
    return night.job(night.act(commands.run_now, schedule, key=key, by=by, now=now))


def key_of(job: SettleJob) -> JobKey:
    return JobKey(job.practice_id, job.id)


def codes(job: SettleJob) -> list[str]:
    return [one["code"] for one in job.over]


def test_neither_who_presses_run_now_nor_the_owner_approves_it(night: Night, presser: Actor) -> None:
    night.practice.claims(2)
    night.practice.limit(job=2_000)
    job = run_now(night, night.schedule(), by=presser)

    assert (job.status, job.requested_by, job.confirmed_by) == (WAITS, presser.user_id, night.owner.user_id)
    for asker in (presser, night.owner):
        with pytest.raises(OwnJob):
            night.practice.approve(key_of(job), by=asker, now=MADE)
        with pytest.raises(OwnJob):
            night.practice.reject(key_of(job), by=asker, now=MADE)
        with night.sessions() as session:
            assert inbox.jobs_to_approve(session, asker, now=MADE) == []
            assert [one.id for one in inbox.my_jobs_awaiting_approval(session, asker)] == [job.id]
    with night.sessions() as session:
        assert [user.id for user in inbox.eligible_approvers(session, job)] == [night.approver.user_id]
    night.practice.approve(key_of(job), by=night.approver, now=MADE)
    night.work(MADE)
    assert night.practice.counts(key_of(job))["settled"] == 2
    assert night.practice.violations() == []


@pytest.mark.parametrize("strict", ["presser", "owner"])
def test_the_stricter_limits_of_presser_and_owner_count(night: Night, presser: Actor, strict: str) -> None:
    night.practice.claims(1)
    night.practice.limit_of(presser if strict == "presser" else night.owner, claim=1_000, job=1_200)

    job = run_now(night, night.schedule(), by=presser)

    assert (job.status, codes(job)) == (WAITS, ["over_user_claim_limit", "over_user_job_limit"])


def test_a_large_run_now_takes_the_stricter_limits_when_it_is_prepared(
    night: Night, presser: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 1)
    night.practice.claims(2)
    job = run_now(night, night.schedule(), by=presser)
    night.practice.limit_of(presser, job=2_999)

    night.work(MADE)

    prepared = night.job(night.run())
    assert (job.status, prepared.status, codes(prepared)) == (JobStatus.PREPARING, WAITS, ["over_user_job_limit"])


def test_run_now_and_the_same_persons_jobs_by_hand_are_added_up_and_nights_are_not(
    night: Night, presser: Actor
) -> None:
    night.practice.claims(4)
    night.practice.limit(job=2_000)
    by_hand = night.practice.preview({"claim_ids": ["C00001"]}, by=presser, now=MADE)
    night.practice.confirm(by_hand, by=presser, now=MADE)
    schedules = [night.schedule(name=number, filter={"claim_id": number}) for number in ("C00002", "C00003")]

    first = run_now(night, schedules[0], by=presser)
    of_owner = run_now(night, schedules[1], by=night.owner)
    again = night.practice.preview({"claim_ids": ["C00004"]}, by=night.owner, key="again", now=MADE)
    of_owner_by_hand = night.practice.confirm(again, by=night.owner, now=MADE)

    assert (first.status, codes(first)) == (WAITS, ["over_day_limit"])
    assert first.over[0]["jobs"] == [by_hand.job_id]
    assert of_owner.status is RUNS
    assert (of_owner_by_hand.status, of_owner_by_hand.over[0]["jobs"]) == (WAITS, [of_owner.id])


def test_a_night_uses_up_nobodys_day(night: Night) -> None:
    night.practice.claims(3)
    night.practice.limit(job=2_000)
    night.schedule(filter={"claim_id": "C00001"})
    night.tick(FIRST_NIGHT)

    by_hand = night.practice.preview({"claim_ids": ["C00002"]}, by=night.owner, now=FIRST_NIGHT)

    assert night.practice.confirm(by_hand, by=night.owner, now=FIRST_NIGHT).status is RUNS


def test_who_has_lost_the_role_meanwhile_presses_in_vain(night: Night, presser: Actor) -> None:
    night.practice.claims(1)
    schedule = night.schedule()
    night.user(presser, role=Role.BILLER)

    with pytest.raises(NotAllowed):
        run_now(night, schedule, by=presser)

    assert night.runs() == []


def test_a_run_whose_presser_leaves_while_it_is_prepared_settles_nothing_and_says_why(
    night: Night, presser: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create.PREVIEW_IN_REQUEST_CLAIMS_MAX", 1)
    night.practice.claims(2)
    job = run_now(night, night.schedule(), by=presser)
    night.user(presser, active=False)

    night.work(MADE)

    discarded = night.job(night.run())
    assert (job.status, discarded.status) == (JobStatus.PREPARING, JobStatus.DISCARDED)
    assert "Whoever pressed run now has left" in night.report(night.run(), MADE).sentence


def test_the_database_itself_lets_neither_decide(night: Night, presser: Actor) -> None:
    night.practice.claims(1)
    night.practice.limit(job=1)
    job = run_now(night, night.schedule(), by=presser)

    for asker in (presser, night.owner):
        with (
            pytest.raises(Exception, match="nobody_decides_on_a_job_of_their_own"),
            transaction(night.sessions) as session,
        ):
            session.execute(
                text("UPDATE settle_job SET decided_by = :who WHERE id = :job"), {"who": asker.user_id, "job": job.id}
            )

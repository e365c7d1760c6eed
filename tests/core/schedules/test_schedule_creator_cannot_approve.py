"""A job of a schedule that waits: neither who made the schedule nor who owns it now decides on it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.access.permissions import Actor
from core.db.engine import transaction
from core.jobs.approval import decide, inbox
from core.jobs.approval.decide import OwnJob
from core.jobs.keys import JobKey
from core.models.jobs import JobStatus
from core.models.people import Role
from core.schedules import commands
from tests.core.schedules.conftest import FIRST_NIGHT, MADE, Night, a_request


@pytest.fixture
def maker(night: Night) -> Actor:
    return night.practice.person("maker@lakeside.example", Role.ADMIN)


@pytest.fixture
def job(night: Night, maker: Actor) -> JobKey:
    """A job over its cap, of a schedule that `maker` made and the owner let settle."""
    night.practice.claims(2)
    with transaction(night.sessions) as session:
        made = commands.create(session, a_request(cents_max=1), by=maker, now=MADE)
    night.act(commands.start_settling, made.id, now=MADE, confirmation="CONFIRM", version=1)
    night.tick(FIRST_NIGHT)
    (job,) = night.jobs()
    assert (job.status, job.requested_by) == (JobStatus.AWAITING_APPROVAL, night.owner.user_id)
    return JobKey(job.practice_id, job.id)


@pytest.mark.parametrize("who", ["maker", "owner"])
def test_neither_its_maker_nor_its_owner_approves_or_rejects_it_or_has_it_waiting(
    night: Night, maker: Actor, job: JobKey, who: str
) -> None:
    by = maker if who == "maker" else night.owner

    with night.sessions() as session, pytest.raises(OwnJob):
        decide.approve(session, job, confirmation="CONFIRM", by=by, now=FIRST_NIGHT)
    with night.sessions() as session, pytest.raises(OwnJob):
        decide.reject(session, job, reason="No", by=by, now=FIRST_NIGHT)

    with night.sessions() as session:
        assert inbox.jobs_to_approve(session, by, now=FIRST_NIGHT) == []
        assert inbox.count_jobs_to_approve(session, by, now=FIRST_NIGHT) == 0
        (waits,) = inbox.jobs_to_approve(session, night.approver, now=FIRST_NIGHT)
        assert inbox.is_own_job(by, waits)
        assert by.user_id not in {user.id for user in inbox.eligible_approvers(session, waits)}


def test_the_database_itself_lets_no_maker_decide(night: Night, maker: Actor, job: JobKey) -> None:
    with pytest.raises(IntegrityError, match="nobody_decides_on_a_job_of_their_own"), night.sessions() as session:
        session.execute(text("UPDATE settle_job SET decided_by = :maker"), {"maker": maker.user_id})


def test_another_person_approves_it(night: Night, job: JobKey) -> None:
    with transaction(night.sessions) as session:
        decide.approve(session, job, confirmation="CONFIRM", by=night.approver, now=FIRST_NIGHT)
    night.work(FIRST_NIGHT)

    assert night.jobs()[0].status is JobStatus.COMPLETED
    assert night.practice.violations() == []

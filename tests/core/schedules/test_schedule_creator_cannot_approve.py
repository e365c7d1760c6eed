"""A scheduled job that awaits approval: neither the schedule's creator nor its current owner may approve it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.access.permissions import Actor
from core.enums.jobs import JobStatus
from core.enums.people import Role
from core.jobs import requesters
from core.jobs.approval import decide, inbox
from core.jobs.keys import JobKey
from core.jobs.requesters import OwnJob
from core.schedules import schedule_commands
from tests.core.schedules.conftest import CREATED_AT, FIRST_RUN, ScheduledPractice, a_request


@pytest.fixture
def creator(scheduled: ScheduledPractice) -> Actor:
    return scheduled.practice.person("creator@lakeside.example", Role.ADMIN)


@pytest.fixture
def job(scheduled: ScheduledPractice, creator: Actor) -> JobKey:
    """A job over its cap, of a schedule that `creator` created and the owner switched to settling."""
    scheduled.practice.claims(2)
    made = scheduled.practice.do(schedule_commands.create, a_request(cents_max=1), by=creator, now=CREATED_AT)
    scheduled.act(schedule_commands.start_settling, made.id, now=CREATED_AT, confirmation="CONFIRM", version=1)
    scheduled.tick(FIRST_RUN)
    (job,) = scheduled.jobs()
    assert (job.status, job.requested_by) == (JobStatus.AWAITING_APPROVAL, scheduled.owner.user_id)
    return JobKey(job.practice_id, job.id)


@pytest.mark.parametrize("requester", ["creator", "owner"])
def test_neither_creator_nor_owner_can_approve_reject_or_see_the_job_in_their_inbox(
    scheduled: ScheduledPractice, creator: Actor, job: JobKey, requester: str
) -> None:
    by = creator if requester == "creator" else scheduled.owner

    with scheduled.sessions() as session, pytest.raises(OwnJob):
        decide.approve(session, job, confirmation="CONFIRM", by=by, now=FIRST_RUN)
    with scheduled.sessions() as session, pytest.raises(OwnJob):
        decide.reject(session, job, reason="No", by=by, now=FIRST_RUN)

    with scheduled.sessions() as session:
        assert inbox.jobs_to_approve(session, by, now=FIRST_RUN) == []
        assert inbox.count_jobs_to_approve(session, by, now=FIRST_RUN) == 0
        (waits,) = inbox.jobs_to_approve(session, scheduled.approver, now=FIRST_RUN)
        assert requesters.is_own(waits, by.user_id)
        assert by.user_id not in {user.id for user in requesters.approvers(session, waits, now=FIRST_RUN)}


def test_the_database_refuses_an_approval_by_the_schedules_creator(
    scheduled: ScheduledPractice, creator: Actor, job: JobKey
) -> None:
    with pytest.raises(IntegrityError, match="a_requester_does_not_decide_on_the_job"), scheduled.sessions() as session:
        session.execute(text("UPDATE settle_job SET decided_by = :creator"), {"creator": creator.user_id})


def test_another_user_can_approve_the_job(scheduled: ScheduledPractice, job: JobKey) -> None:
    scheduled.practice.do(decide.approve, job, confirmation="CONFIRM", by=scheduled.approver, now=FIRST_RUN)
    scheduled.work(FIRST_RUN)

    assert scheduled.jobs()[0].status is JobStatus.COMPLETED
    assert scheduled.practice.violations() == []

"""Find jobs, and look up the names of their users."""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import and_, select, union
from sqlalchemy.orm import Session

from core.enums.jobs import JobStatus
from core.errors import or_raise
from core.jobs import job_filter
from core.jobs.job_filter import ALL_JOBS, JobFilter
from core.jobs.keys import JobKey, NoSuchJob
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.people import User


def find(session: Session, key: JobKey) -> SettleJob:
    """Return the job. Raise `NoSuchJob`, also for a job in another practice."""
    return or_raise(session.scalars(select(SettleJob).where(*key.of(SettleJob))).one_or_none(), NoSuchJob)


def list_jobs(
    session: Session,
    practice_id: int,
    *,
    limit: int,
    before_id: int | None = None,
    matching: JobFilter = ALL_JOBS,
) -> list[SettleJob]:
    """Return the practice's matching jobs, newest first, optionally only those older than `before_id`."""
    jobs = select(SettleJob).where(*job_filter.conditions(session, practice_id, matching))
    if before_id is not None:
        jobs = jobs.where(SettleJob.id < before_id)
    return list(session.scalars(jobs.order_by(SettleJob.id.desc()).limit(limit)))


def list_preparing(session: Session) -> list[JobKey]:
    """Return the jobs in all practices that a worker has yet to prepare."""
    jobs = select(SettleJob.practice_id, SettleJob.id).where(SettleJob.status == JobStatus.PREPARING)
    return [JobKey(*row) for row in session.execute(jobs)]


def reversals_of(session: Session, key: JobKey) -> list[SettleJob]:
    """Return the reversals of this job, oldest first, except discarded, rejected and expired ones."""
    given_up = (JobStatus.DISCARDED, JobStatus.EXPIRED, JobStatus.REJECTED)
    of_job = (SettleJob.practice_id == key.practice_id, SettleJob.reverses_job_id == key.job_id)
    found = select(SettleJob).where(*of_job, SettleJob.status.not_in(given_up))
    return list(session.scalars(found.order_by(SettleJob.id)))


class JobOnClaim(NamedTuple):
    """A job that was confirmed, and the claim's item in it."""

    job: SettleJob
    item: JobItem


def list_on_claim(session: Session, practice_id: int, claim_id: int) -> list[JobOnClaim]:
    """Return the confirmed jobs that have the claim with this internal id, oldest first, also if they skipped it."""
    of_job = (JobItem.practice_id == SettleJob.practice_id, JobItem.job_id == SettleJob.id)
    found = select(SettleJob, JobItem).join(JobItem, and_(*of_job))
    of_claim = (JobItem.practice_id == practice_id, JobItem.claim_id == claim_id, SettleJob.confirmed_at.is_not(None))
    return [JobOnClaim(*row) for row in session.execute(found.where(*of_claim).order_by(SettleJob.id))]


def names_of_users(session: Session, practice_id: int, user_ids: Iterable[int | None]) -> dict[int, str]:
    """Return the names of these users of the practice, by id."""
    wanted = {user_id for user_id in user_ids if user_id is not None}
    named = select(User.id, User.name).where(User.practice_id == practice_id, User.id.in_(wanted))
    return dict(session.execute(named).all())


def people(session: Session, practice_id: int) -> list[tuple[int, str]]:
    """Return id and name of each user of the practice who has requested, confirmed or decided on a job, by name."""
    took_part = (SettleJob.requested_by, SettleJob.confirmed_by, SettleJob.decided_by)
    found = union(*(select(column).where(SettleJob.practice_id == practice_id) for column in took_part))
    named = select(User.id, User.name).where(User.practice_id == practice_id, User.id.in_(found))
    return [(user_id, name) for user_id, name in session.execute(named.order_by(User.name, User.id))]

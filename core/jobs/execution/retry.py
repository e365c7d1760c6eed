"""Reopen failed claims for another try."""

import datetime as dt
from typing import Final

from sqlalchemy import BigInteger, and_, func, insert, literal, select, update
from sqlalchemy.orm import Session

from core.jobs import posting_month
from core.jobs.keys import JobKey
from core.models.job_items import ChunkState, JobChunk, JobFailure, JobItem, Outcome
from core.models.jobs import JobStatus, SettleJob

RETRYABLE_STATUSES: Final = (JobStatus.COMPLETED, JobStatus.PAUSED, JobStatus.HALTED)


def can_retry(session: Session, key: JobKey) -> bool:
    """Return whether the job's failed claims can be retried now: its status allows it and its month is open."""
    job = session.get_one(SettleJob, key)
    return job.status in RETRYABLE_STATUSES and not posting_month.is_closed(session, job)


def reopen_failed(session: Session, key: JobKey, *, code: str | None, now: dt.datetime) -> int:
    """Copy each failure to the job's history, clear its outcome and open its chunk. Return the number of claims.

    The caller has locked the job.
    """
    chunks = session.execute(
        select(JobChunk.first_position, JobChunk.last_position)
        .where(*key.of(JobChunk), JobChunk.failed > 0)
        .order_by(JobChunk.first_position)
        .with_for_update()
    ).all()
    return sum(_reopen_chunk(session, key, first, last, code=code, now=now) for first, last in chunks)


def _reopen_chunk(
    session: Session,
    key: JobKey,
    first: int,
    last: int,
    *,
    code: str | None,
    now: dt.datetime,
) -> int:
    failed = and_(
        *key.of(JobItem),
        JobItem.position.between(first, last),
        JobItem.outcome == Outcome.FAILED,
    )
    if code is not None:
        failed = and_(failed, JobItem.code == code)
    before = select(func.count()).where(
        JobFailure.practice_id == JobItem.practice_id,
        JobFailure.job_id == JobItem.job_id,
        JobFailure.position == JobItem.position,
    )
    history = select(
        JobItem.practice_id,
        JobItem.job_id,
        JobItem.position,
        before.scalar_subquery() + literal(1, BigInteger),
        JobItem.code,
        literal(now),
    ).where(failed)
    names = ["practice_id", "job_id", "position", "attempt", "code", "retried_at"]
    session.execute(insert(JobFailure).from_select(names, history))
    reopened = update(JobItem).where(failed).values(outcome=None, code=None).returning(JobItem.position)
    claims = len(session.scalars(reopened).all())
    if claims:
        session.execute(
            update(JobChunk)
            .where(*key.of(JobChunk), JobChunk.first_position == first)
            .values(
                state=ChunkState.OPEN,
                failed=JobChunk.failed - claims,
                attempts=0,
                busy_tries=0,
                not_before=None,
                taken_at=None,
                taken_by=None,
                done_at=None,
            )
        )
    return claims

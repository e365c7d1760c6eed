"""Find work that polling misses: work left undone by a lost hint, a dead worker or a broker outage."""

import datetime as dt
from typing import Final, NamedTuple

from sqlalchemy import and_, delete, func, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.access import audit
from core.db import scope
from core.db.engine import Sessions, transaction
from core.enums.jobs import IN_PROGRESS_STATUSES, JobStatus
from core.jobs import job_events, job_queries, lifecycle
from core.jobs.approval.decide import APPROVAL_EXPIRES_AFTER
from core.jobs.execution import chunks, finish
from core.jobs.keys import JobKey
from core.jobs.preview.freezing import PREVIEW_EXPIRES_AFTER
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import HintRound, SettleJob
from core.settings import HINTS_WAITING_MAX, SWEEP_SECONDS

# items of previews without CONFIRM; deleting this many does not slow other work
ITEMS_REMOVED_PER_SWEEP_MAX: Final = 20_000
ITEMS_KEPT_FOR: Final = dt.timedelta(days=30)  # how long the claims of a report-only run or of a rejected job are kept

_TRY_SWEEP_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('settle sweep'))")


class WorkFound(NamedTuple):
    """Work that is worth a hint: jobs with free chunks (and how many), and previews to prepare."""

    work: list[tuple[JobKey, int]]
    prepare: list[JobKey]
    rescued: int = 0  # jobs that waited a whole round without a worker


def sweep(sessions: Sessions, *, now: dt.datetime) -> WorkFound:
    """Move every job that is ready for its next step, expire old previews, and return the work that needs hints.

    Only one sweep runs at a time. The others return nothing.
    """
    with transaction(sessions) as session:
        if not session.scalar(_TRY_SWEEP_LOCK):
            return WorkFound([], [])
        _expire(session, now=now)
        job_events.warn_of_deadlines(
            session, preview_life=PREVIEW_EXPIRES_AFTER, approval_life=APPROVAL_EXPIRES_AFTER, now=now
        )
        _remove_items(session, now=now)
        moving = _jobs_in(session, *IN_PROGRESS_STATUSES)
        hints = _find_work(session, now=now)
    for key, status in moving:
        if status is not JobStatus.PREPARING:
            with transaction(sessions, key.practice_id) as session:
                finish.advance(session, key, now=now)
    return hints


def _jobs_in(session: Session, *statuses: JobStatus) -> list[tuple[JobKey, JobStatus]]:
    jobs = select(SettleJob.practice_id, SettleJob.id, SettleJob.status).where(SettleJob.status.in_(statuses))
    return [(JobKey(practice, job), status) for practice, job, status in session.execute(jobs)]


def _find_work(session: Session, *, now: dt.datetime) -> WorkFound:
    """Return at most one round of hints for each practice every ten seconds, so that hints do not multiply."""
    working = chunks.jobs_with_available_chunks(session, now=now)
    preparing = job_queries.list_preparing(session)
    due = _begin_rounds(session, {key.practice_id for key in (*working, *preparing)}, now=now)
    work = _cap_hints(
        [(key, chunks.count_available(session, key, now=now)) for key in working if key.practice_id in due]
    )
    prepare = [key for key in preparing if key.practice_id in due]
    rescued = _rescued(session, [*(key for key, _ in work), *prepare], now=now)
    return WorkFound(work, prepare, rescued)


def _cap_hints(work: list[tuple[JobKey, int]]) -> list[tuple[JobKey, int]]:
    """Cap the number of hints. Workers pick a job at random, so a job without its own hint is still worked on."""
    each = max(1, HINTS_WAITING_MAX // max(1, len(work)))
    return [(key, min(chunks_, each)) for key, chunks_ in work[:HINTS_WAITING_MAX]]


def _rescued(session: Session, keys: list[JobKey], *, now: dt.datetime) -> int:
    """Count the jobs that no worker touched for a whole round: their hint was lost, or their worker died."""
    if not keys:
        return 0
    cutoff = now - dt.timedelta(seconds=SWEEP_SECONDS)
    of_job = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
    heard = select(JobChunk.first_position).where(of_job, func.greatest(JobChunk.taken_at, JobChunk.done_at) > cutoff)
    waited = func.coalesce(SettleJob.confirmed_at, SettleJob.requested_at) <= cutoff
    jobs = tuple_(SettleJob.practice_id, SettleJob.id).in_(keys)
    return session.scalars(select(func.count()).select_from(SettleJob).where(jobs, waited, ~heard.exists())).one()


def _begin_rounds(session: Session, practices: set[int], *, now: dt.datetime) -> set[int]:
    if not practices:
        return set()
    rows = [{"practice_id": practice, "hinted_at": now} for practice in sorted(practices)]
    # Slightly less than beat's interval, so that jitter does not skip a round.
    last = now - dt.timedelta(seconds=SWEEP_SECONDS - 1)
    made = insert(HintRound).values(rows)
    begun = made.on_conflict_do_update(
        index_elements=[HintRound.practice_id],
        set_={"hinted_at": now},
        where=HintRound.hinted_at <= last,
    )
    return set(session.scalars(begun.returning(HintRound.practice_id)))


def _expire(session: Session, *, now: dt.datetime) -> None:
    unconfirmed = and_(SettleJob.status == JobStatus.PREVIEWED, SettleJob.previewed_at <= now - PREVIEW_EXPIRES_AFTER)
    unapproved = and_(
        SettleJob.status == JobStatus.AWAITING_APPROVAL, SettleJob.approval_requested_at <= now - APPROVAL_EXPIRES_AFTER
    )
    old = select(SettleJob).where(or_(unconfirmed, unapproved))
    for job in session.scalars(old.limit(100).with_for_update(key_share=True, skip_locked=True)).all():
        key = JobKey(job.practice_id, job.id)
        scope.set_practice(session, key.practice_id)
        lifecycle.transition(session, key, source=job.status, target=JobStatus.EXPIRED, now=now)
        audit.record(session, "job.expired", job, by=None, now=now)


def _remove_items(session: Session, *, now: dt.datetime) -> None:
    """Delete the items of previews that ended without CONFIRM, a limited number at a time."""
    given_up = SettleJob.status.in_((JobStatus.EXPIRED, JobStatus.DISCARDED))
    read = and_(
        SettleJob.status.in_((JobStatus.REPORTED, JobStatus.REJECTED)), SettleJob.previewed_at <= now - ITEMS_KEPT_FOR
    )
    # Every item is in a chunk, and only chunks can be read in all practices.
    of_job = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
    left = select(SettleJob.practice_id, SettleJob.id).where(
        or_(given_up, read),
        SettleJob.confirmed_at.is_(None),
        select(JobChunk.first_position).where(of_job).exists(),
    )
    found = session.execute(left.order_by(SettleJob.id).limit(1)).one_or_none()
    if found is None:
        return
    key = JobKey(*found)
    scope.set_practice(session, key.practice_id)
    first = session.scalars(select(func.min(JobItem.position)).where(*key.of(JobItem))).one()
    assert first is not None
    upto = first + ITEMS_REMOVED_PER_SWEEP_MAX
    session.execute(delete(JobItem).where(*key.of(JobItem), JobItem.position < upto))
    session.execute(delete(JobChunk).where(*key.of(JobChunk), JobChunk.last_position < upto))

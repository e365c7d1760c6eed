"""Take, lock, release and split chunks. The row lock is the lease: it ends when its worker dies."""

import datetime as dt
import random
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, insert, or_, select, update
from sqlalchemy.orm import Session

from core.jobs import lifecycle
from core.jobs.keys import JobKey
from core.models.job_items import ChunkState, JobChunk, JobItem, Outcome
from core.models.jobs import WORKABLE_STATUSES, JobStatus, SettleJob
from core.settings import HINTS_PER_CONFIRM_MAX

ATTEMPTS_MAX: Final = 3  # times that a worker took the chunk and never finished it
BUSY_TRIES_MAX: Final = 5
BUSY_WAIT: Final = dt.timedelta(seconds=0.5)  # doubled with each try, up to BUSY_WAIT_MAX
BUSY_WAIT_MAX: Final = dt.timedelta(seconds=30)
TRANSIENT_WAIT: Final = dt.timedelta(seconds=0.5)
# A take commits before the chunk is locked. Chunks taken within this window are skipped.
TAKE_TO_LOCK: Final = dt.timedelta(seconds=1)


class Chunk(NamedTuple):
    """A chunk that a worker has taken: its range of positions, and how many times it was taken."""

    job: JobKey
    first: int
    last: int
    attempts: int
    busy_tries: int

    def row(self) -> ColumnElement[bool]:
        """Return the condition that selects this chunk while it is open and still ours."""
        return and_(
            *self.job.of(JobChunk),
            JobChunk.first_position == self.first,
            JobChunk.last_position == self.last,
            JobChunk.state == ChunkState.OPEN,
            JobChunk.attempts == self.attempts,
        )

    def items(self) -> ColumnElement[bool]:
        """Return the condition that selects its items."""
        return and_(*self.job.of(JobItem), JobItem.position.between(self.first, self.last))


def available(now: dt.datetime) -> ColumnElement[bool]:
    """Return the condition that a chunk may be taken at `now`, as far as can be seen without its lock."""
    return and_(
        JobChunk.state == ChunkState.OPEN,
        or_(JobChunk.not_before.is_(None), JobChunk.not_before <= now),
        or_(JobChunk.taken_at.is_(None), JobChunk.taken_at <= now - TAKE_TO_LOCK),
    )


def jobs_with_available_chunks(session: Session, *, now: dt.datetime) -> list[JobKey]:
    """Return every job, in any practice, with a chunk to take."""
    of_job = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
    has_free = select(JobChunk.first_position).where(of_job, available(now)).exists()
    jobs = select(SettleJob.practice_id, SettleJob.id).where(SettleJob.status.in_(WORKABLE_STATUSES), has_free)
    return [JobKey(*row) for row in session.execute(jobs)]


def count_available(session: Session, job: JobKey, *, now: dt.datetime) -> int:
    """Count the job's chunks that can be taken, up to the number of hints that are sent at once."""
    some = (
        select(JobChunk.first_position).where(*job.of(JobChunk), available(now)).limit(HINTS_PER_CONFIRM_MAX).subquery()
    )
    return session.scalars(select(func.count()).select_from(some)).one()


def take(session: Session, *, worker: str, now: dt.datetime) -> Chunk | None:
    """Take a chunk: the first free one in a random job in a random practice. Return None if there is none."""
    for job in _in_fair_order(jobs_with_available_chunks(session, now=now)):
        chunk = _take_first(session, job, worker=worker, now=now)
        if chunk is not None:
            started = func.coalesce(SettleJob.started_at, now)
            lifecycle.transition(session, job, source=JobStatus.CONFIRMED, target=JobStatus.RUNNING, started_at=started)
            return chunk
    return None


def _in_fair_order(jobs: list[JobKey]) -> list[JobKey]:
    by_practice = [list(group) for _, group in groupby(sorted(jobs), key=lambda job: job.practice_id)]
    random.shuffle(by_practice)
    return [job for group in by_practice for job in random.sample(group, len(group))]


def _take_first(session: Session, job: JobKey, *, worker: str, now: dt.datetime) -> Chunk | None:
    first_free = (
        select(
            JobChunk.first_position,
            JobChunk.last_position,
            JobChunk.attempts,
            JobChunk.busy_tries,
        )
        .where(*job.of(JobChunk), available(now))
        .order_by(JobChunk.first_position)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    found = session.execute(first_free).one_or_none()
    if found is None:
        return None
    taken = update(JobChunk).where(*job.of(JobChunk), JobChunk.first_position == found.first_position)
    session.execute(taken.values(attempts=JobChunk.attempts + 1, taken_at=now, taken_by=worker))
    return Chunk(
        job,
        found.first_position,
        found.last_position,
        found.attempts + 1,
        found.busy_tries,
    )


def lock(session: Session, chunk: Chunk) -> bool:
    """Lock the chunk for this transaction. Return False if it is done, split or taken by another worker."""
    mine = select(JobChunk.first_position).where(chunk.row()).with_for_update(skip_locked=True)
    return session.scalar(mine) is not None


def release(session: Session, chunk: Chunk, *, not_before: dt.datetime | None) -> None:
    """Release the chunk if we still own it. The attempt does not count."""
    if lock(session, chunk):
        values = {
            "attempts": JobChunk.attempts - 1,
            "taken_at": None,
            "taken_by": None,
            "not_before": not_before,
        }
        session.execute(update(JobChunk).where(chunk.row()).values(values))


class ChunkCounts(NamedTuple):
    """What one transaction adds to its chunk's counters."""

    settled: int = 0
    skipped: int = 0
    failed: int = 0
    insurance_cents: int = 0
    patient_cents: int = 0
    insurance_before_cents: int = 0
    patient_before_cents: int = 0
    insurance_after_cents: int = 0
    patient_after_cents: int = 0


def close(session: Session, chunk: Chunk, counts: ChunkCounts, *, now: dt.datetime) -> None:
    """Add to the chunk's counters and mark it done. Every item has an outcome."""
    _add(session, chunk, counts, state=ChunkState.DONE, done_at=now, not_before=None)


def reschedule_busy(session: Session, chunk: Chunk, counts: ChunkCounts, *, now: dt.datetime) -> None:
    """Add to the chunk's counters and keep it open, because other users or processes have locked some of its claims.

    Each retry waits twice as long.
    """
    wait = min(BUSY_WAIT * 2**chunk.busy_tries, BUSY_WAIT_MAX)
    _add(
        session, chunk, counts, busy_tries=JobChunk.busy_tries + 1, attempts=0, not_before=now + wait,
        taken_at=None, done_at=now,
    )  # fmt: skip


def _add(session: Session, chunk: Chunk, counts: ChunkCounts, **values: Any) -> None:
    added = {name: getattr(JobChunk, name) + count for name, count in counts._asdict().items() if count}
    session.execute(update(JobChunk).where(chunk.row()).values(**added, **values))


def split(session: Session, chunk: Chunk, *, code: str, now: dt.datetime) -> None:
    """Narrow down which claim makes the chunk fail: split it in two, or fail its one claim with `code`.

    Do nothing if another worker has the chunk or has finished it.
    """
    if not lock(session, chunk):
        return
    undone = session.scalars(
        select(JobItem.position).where(chunk.items(), JobItem.outcome.is_(None)).order_by(JobItem.position)
    ).all()
    if len(undone) == 1:
        _fail(session, chunk, undone[0], code=code, now=now)
        return
    # Split in the middle of the unprocessed items, so that each half has half of the suspects.
    middle = undone[len(undone) // 2]
    halves = ((chunk.first, middle - 1), (middle, chunk.last))
    session.execute(update(JobChunk).where(chunk.row()).values(_range_values(session, chunk, *halves[0])))
    session.execute(insert(JobChunk).values(**_key_values(chunk), **_range_values(session, chunk, *halves[1])))


def _fail(session: Session, chunk: Chunk, position: int, *, code: str, now: dt.datetime) -> None:
    failed = update(JobItem).where(*chunk.job.of(JobItem), JobItem.position == position)
    session.execute(failed.values(outcome=Outcome.FAILED, code=code))
    close(session, chunk, ChunkCounts(failed=1), now=now)


def _key_values(chunk: Chunk) -> dict[str, Any]:
    return {"practice_id": chunk.job.practice_id, "job_id": chunk.job.job_id}


def _range_values(session: Session, chunk: Chunk, first: int, last: int) -> dict[str, Any]:
    """Return the values of a chunk for positions `first` to `last`, with counters recomputed from its items."""
    of_half = and_(*chunk.job.of(JobItem), JobItem.position.between(first, last))
    settled = JobItem.outcome == Outcome.SETTLED

    def sum_of(cents: Any) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((settled, cents))), 0)

    counted = session.execute(
        select(
            *(func.count().filter(JobItem.outcome == outcome).label(outcome.value) for outcome in Outcome),
            sum_of(JobItem.insurance_cents).label("insurance_cents"),
            sum_of(JobItem.patient_cents).label("patient_cents"),
        ).where(of_half)
    ).one()
    fresh = {
        "attempts": 0,
        "busy_tries": chunk.busy_tries,
        "taken_at": None,
        "taken_by": None,
        "not_before": None,
    }
    return {"first_position": first, "last_position": last, **fresh, **counted._mapping}

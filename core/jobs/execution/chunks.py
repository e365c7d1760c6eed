"""Take, lock, release and split chunks. The row lock is the lease: it ends when its worker dies.

The statements of every chunk are built once, with named parameters, because building them for each chunk took more than
half of its time in Python.
"""

import datetime as dt
import random
from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from core.db import scope
from core.enums.job_items import ChunkState, Outcome
from core.enums.jobs import WORKABLE_STATUSES, JobStatus
from core.jobs import lifecycle
from core.jobs.keys import JobKey
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import SettleJob
from core.settings import HINTS_PER_CONFIRM_MAX

ATTEMPTS_MAX: Final = 3  # times that a worker took the chunk and never finished it
BUSY_TRIES_MAX: Final = 5
BUSY_WAIT: Final = dt.timedelta(seconds=0.5)  # doubled with each try, up to BUSY_WAIT_MAX
BUSY_WAIT_MAX: Final = dt.timedelta(seconds=30)
TRANSIENT_WAIT: Final = dt.timedelta(seconds=0.5)
# A take commits before the chunk is locked. Chunks taken within this window are skipped.
TAKE_TO_LOCK: Final = dt.timedelta(seconds=1)


_ROW: Final = and_(
    *JobKey.of_named(JobChunk),
    JobChunk.first_position == bindparam("first"),
    JobChunk.last_position == bindparam("last"),
    JobChunk.state == ChunkState.OPEN,
    JobChunk.attempts == bindparam("attempt"),
)
# Selects the chunk's items. Its parameters are in `Chunk.named`.
ITEMS: Final = and_(*JobKey.of_named(JobItem), JobItem.position.between(bindparam("first"), bindparam("last")))


class Chunk(NamedTuple):
    """A chunk that a worker has taken: its range of positions, and how many times it was taken."""

    job: JobKey
    first: int
    last: int
    attempts: int
    busy_tries: int

    def named(self) -> dict[str, int]:
        """Return the parameters of a statement over this chunk."""
        return {**self.job.named(), "first": self.first, "last": self.last, "attempt": self.attempts}


# A chunk that may be taken at the time `now`, as far as can be seen without its lock.
_AVAILABLE: Final = and_(
    JobChunk.state == ChunkState.OPEN,
    or_(JobChunk.not_before.is_(None), JobChunk.not_before <= bindparam("now")),
    or_(JobChunk.taken_at.is_(None), JobChunk.taken_at <= bindparam("now") - TAKE_TO_LOCK),
)


_OF_JOB: Final = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
_JOBS_WITH_AVAILABLE: Final = select(SettleJob.practice_id, SettleJob.id, SettleJob.status).where(
    SettleJob.status.in_(WORKABLE_STATUSES), select(JobChunk.first_position).where(_OF_JOB, _AVAILABLE).exists()
)


def jobs_with_available_chunks(session: Session, *, now: dt.datetime) -> dict[JobKey, JobStatus]:
    """Return the status of every job, in any practice, that has a chunk to take."""
    return {JobKey(*key): status for *key, status in session.execute(_JOBS_WITH_AVAILABLE, {"now": now})}


def count_available(session: Session, job: JobKey, *, now: dt.datetime) -> int:
    """Count the job's chunks that can be taken, up to the number of hints that are sent at once."""
    of_job = select(JobChunk.first_position).where(*JobKey.of_named(JobChunk), _AVAILABLE)
    some = of_job.limit(HINTS_PER_CONFIRM_MAX).subquery()
    return session.scalars(select(func.count()).select_from(some), {**job.named(), "now": now}).one()


def take(
    session: Session, *, worker: str, now: dt.datetime, statuses: dict[JobKey, JobStatus] | None = None
) -> Chunk | None:
    """Take a chunk: the first free one in a random job in a random practice. Return None if there is none.

    `statuses` is the answer of `jobs_with_available_chunks` in this transaction.
    """
    if statuses is None:
        statuses = jobs_with_available_chunks(session, now=now)
    for job in _in_fair_order(statuses):
        chunk = _take_first(session, job, worker=worker, now=now)
        if chunk is not None:
            # A job paused and resumed since it was read is Confirmed, so `settle` releases the chunk for a later take.
            if statuses[job] is JobStatus.CONFIRMED:
                _start(session, job, now=now)
            return chunk
    return None


def _start(session: Session, job: JobKey, *, now: dt.datetime) -> None:
    started = func.coalesce(SettleJob.started_at, now)
    lifecycle.transition(
        session, job, source=JobStatus.CONFIRMED, target=JobStatus.RUNNING, now=now, started_at=started
    )


def _in_fair_order(jobs: Iterable[JobKey]) -> list[JobKey]:
    by_practice = [list(group) for _, group in groupby(sorted(jobs), key=lambda job: job.practice_id)]
    random.shuffle(by_practice)
    return [job for group in by_practice for job in random.sample(group, len(group))]


_FIRST_FREE: Final = (
    select(JobChunk.first_position, JobChunk.last_position, JobChunk.attempts, JobChunk.busy_tries)
    .where(*JobKey.of_named(JobChunk), _AVAILABLE)
    .order_by(JobChunk.first_position)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_TAKE: Final = (
    update(JobChunk)
    .where(*JobKey.of_named(JobChunk), JobChunk.first_position == bindparam("first"))
    .values(attempts=JobChunk.attempts + 1, taken_at=bindparam("now"), taken_by=bindparam("worker"))
    # A crash of the server may forget that the chunk was taken. So the commit need not wait for the disk.
    .returning(func.set_config("synchronous_commit", "off", literal(value=True)))
    .execution_options(synchronize_session=False)
)


def _take_first(session: Session, job: JobKey, *, worker: str, now: dt.datetime) -> Chunk | None:
    scope.set_practice(session, job.practice_id)
    at = {**job.named(), "now": now}
    found = session.execute(_FIRST_FREE, at).one_or_none()
    if found is None:
        return None
    session.execute(_TAKE, {**at, "first": found.first_position, "worker": worker})
    return Chunk(
        job,
        found.first_position,
        found.last_position,
        found.attempts + 1,
        found.busy_tries,
    )


_LOCK: Final = select(JobChunk.first_position).where(_ROW).with_for_update(skip_locked=True)


def lock(session: Session, chunk: Chunk) -> bool:
    """Lock the chunk for this transaction. Return False if it is done, split or taken by another worker."""
    return session.scalar(_LOCK, chunk.named()) is not None


def release(session: Session, chunk: Chunk, *, not_before: dt.datetime | None) -> None:
    """Release the chunk if we still own it. The attempt does not count."""
    if lock(session, chunk):
        values = {
            "attempts": JobChunk.attempts - 1,
            "taken_at": None,
            "taken_by": None,
            "not_before": not_before,
        }
        _change(session, chunk, values)


def _change(session: Session, chunk: Chunk, values: dict[str, Any]) -> None:
    session.execute(update(JobChunk).where(_ROW).values(values), chunk.named())


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


_COUNTED: Final = {name: getattr(JobChunk, name) + bindparam(f"more_{name}") for name in ChunkCounts._fields}
_CLOSE: Final = (
    update(JobChunk)
    .where(_ROW)
    .values(**_COUNTED, state=ChunkState.DONE, done_at=bindparam("now"), not_before=None)
    .execution_options(synchronize_session=False)
)


def close(session: Session, chunk: Chunk, counts: ChunkCounts, *, now: dt.datetime) -> None:
    """Add to the chunk's counters and mark it done. Every item has an outcome."""
    more = {f"more_{name}": count for name, count in counts._asdict().items()}
    session.execute(_CLOSE, {**chunk.named(), **more, "now": now})


def reschedule_busy(session: Session, chunk: Chunk, counts: ChunkCounts, *, now: dt.datetime) -> None:
    """Add to the chunk's counters and keep it open, because other users or processes have locked some of its claims.

    Each retry waits twice as long.
    """
    wait = min(BUSY_WAIT * 2**chunk.busy_tries, BUSY_WAIT_MAX)
    values = {name: getattr(JobChunk, name) + count for name, count in counts._asdict().items()}
    later = {"not_before": now + wait, "taken_at": None, "done_at": now}
    _change(session, chunk, {**values, **later, "busy_tries": JobChunk.busy_tries + 1, "attempts": 0})


def split(session: Session, chunk: Chunk, *, code: str, now: dt.datetime) -> None:
    """Narrow down which claim makes the chunk fail: split it in two, or fail its one claim with `code`.

    Do nothing if another worker has the chunk or has finished it.
    """
    if not lock(session, chunk):
        return
    undone = session.scalars(
        select(JobItem.position).where(ITEMS, JobItem.outcome.is_(None)).order_by(JobItem.position), chunk.named()
    ).all()
    if len(undone) == 1:
        _fail(session, chunk, undone[0], code=code, now=now)
        return
    # Split in the middle of the unprocessed items, so that each half has half of the suspects.
    middle = undone[len(undone) // 2]
    halves = ((chunk.first, middle - 1), (middle, chunk.last))
    _change(session, chunk, _range_values(session, chunk, *halves[0]))
    session.execute(insert(JobChunk).values(**_key_values(chunk), **_range_values(session, chunk, *halves[1])))


def _fail(session: Session, chunk: Chunk, position: int, *, code: str, now: dt.datetime) -> None:
    failed = update(JobItem).where(*chunk.job.of(JobItem), JobItem.position == position)
    session.execute(failed.values(outcome=Outcome.FAILED, code=code))
    close(session, chunk, ChunkCounts(failed=1), now=now)


def _key_values(chunk: Chunk) -> dict[str, Any]:
    return {"practice_id": chunk.job.practice_id, "job_id": chunk.job.job_id}


def _range_values(session: Session, chunk: Chunk, first: int, last: int) -> dict[str, Any]:
    """Return a chunk's values for positions `first` to `last`. Counts and written-off cents come from its items."""
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

"""What a worker does for a hint: take chunks and settle them for about a second."""

import datetime as dt
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog
from sqlalchemy.exc import DBAPIError

from core.db.engine import Sessions, transaction
from core.db.transient import is_transient, sqlstate
from core.enums.jobs import JobStatus
from core.jobs import codes, lifecycle
from core.jobs.execution import chunks, finish, settle_chunk
from core.jobs.execution.chunks import ATTEMPTS_MAX, TRANSIENT_WAIT, Chunk
from core.jobs.execution.settle_chunk import MonthIsClosed
from core.jobs.keys import JobKey

log = structlog.get_logger(__name__)

# the only skip that raises an alarm, because the books themselves may be wrong
BALANCE_MISMATCH: Final = "balance_mismatch"

Clock = Callable[[], dt.datetime]

RELEASE_RETRY_SECONDS: Final = (0.2, 0.5, 1, 2, 4, 8)  # a restarted database is back by then
WORK_SLICE: Final = dt.timedelta(seconds=1)  # long enough that hints cost little, short enough for a warm shutdown


class WorkResult(NamedTuple):
    """What was done for a hint, with the counts for metrics."""

    chunks: int  # processed; a chunk that was released or halted does not count
    more_to_do: bool  # something was settled and chunks are left: worth another hint
    chunk_seconds: list[float]  # of each transaction
    skipped: Counter[str]  # number of claims by the code of the rule


class _ChunkResult(NamedTuple):
    """The result of one chunk."""

    processed: bool
    advanced: bool = True  # else its job may be ready to complete
    seconds: float | None = None
    skipped: Mapping[str, int] = {}


def work(sessions: Sessions, *, worker: str, clock: Clock) -> WorkResult:
    """Settle free chunks of any job for about a second, or until none is free."""
    done, seconds, skipped = 0, list[float](), Counter[str]()
    until = clock() + WORK_SLICE
    behind: JobKey | None = None  # a job with a settled chunk, to advance unless more of its chunks are available
    while True:
        with transaction(sessions) as session:
            statuses = chunks.jobs_with_available_chunks(session, now=clock())
            due = behind is not None and behind not in statuses
            chunk = None if due else chunks.take(session, worker=worker, now=clock(), statuses=statuses)
        if behind is not None and due:
            _advance(sessions, behind, clock=clock)
            behind = None
            continue
        if chunk is None:
            return WorkResult(done, more_to_do=False, chunk_seconds=seconds, skipped=skipped)
        of_chunk = _settle(sessions, chunk, clock=clock)
        behind = None if of_chunk.advanced else chunk.job
        done += of_chunk.processed
        skipped.update(of_chunk.skipped)
        if of_chunk.seconds is not None:
            seconds.append(of_chunk.seconds)
        if clock() >= until:
            if behind is not None:
                _advance(sessions, behind, clock=clock)
            more = done > 0 and _has_available_chunks(sessions, clock=clock)
            return WorkResult(done, more_to_do=more, chunk_seconds=seconds, skipped=skipped)


def _has_available_chunks(sessions: Sessions, *, clock: Clock) -> bool:
    with transaction(sessions) as session:
        return bool(chunks.jobs_with_available_chunks(session, now=clock()))


def _settle(sessions: Sessions, chunk: Chunk, *, clock: Clock) -> _ChunkResult:
    """Settle one chunk, and release or split it if that fails."""
    where = log.bind(
        practice_id=chunk.job.practice_id,
        job_id=chunk.job.job_id,
        first=chunk.first,
        last=chunk.last,
    )
    if chunk.attempts > ATTEMPTS_MAX:
        where.warning("chunk_killed_its_workers")
        return _ChunkResult(_split(sessions, chunk, code=codes.WORKER_DIED, clock=clock))
    began = time.perf_counter()
    try:
        with transaction(sessions, chunk.job.practice_id) as session:
            done = settle_chunk.settle(session, chunk, now=clock())
    except MonthIsClosed:
        where.error("month_closed")
        return _ChunkResult(_halt(sessions, chunk, code=codes.MONTH_CLOSED, clock=clock))
    except Exception as error:  # noqa: BLE001  whatever it is, the chunk is released or split to find the claim at fault
        return _ChunkResult(_recover(sessions, chunk, error, clock=clock))
    if done is None:
        _advance(sessions, chunk.job, clock=clock)
        return _ChunkResult(processed=False)
    seconds = time.perf_counter() - began
    if mismatched := done.skipped.get(BALANCE_MISMATCH):
        where.error("balance_mismatch", claims=mismatched)
    where.info(
        "chunk_settled",
        busy=done.busy,
        settled=done.counts.settled,
        skipped=done.counts.skipped,
    )
    if done.counts.failed:  # the job may have to halt
        _advance(sessions, chunk.job, clock=clock)
    return _ChunkResult(processed=True, advanced=done.counts.failed > 0, seconds=seconds, skipped=done.skipped)


def _advance(sessions: Sessions, job: JobKey, *, clock: Clock) -> None:
    with transaction(sessions, job.practice_id) as session:
        status = finish.advance(session, job, now=clock())
    if status is not None:
        log.info("job_moved", practice_id=job.practice_id, job_id=job.job_id, status=status.value)


def _recover(sessions: Sessions, chunk: Chunk, error: Exception, *, clock: Clock) -> bool:
    """Release the chunk after a transient error. Split it after any other error, to find the claim at fault.

    Both re-read the chunk, because a COMMIT whose answer was lost may have happened.
    """
    # Log the class and SQLSTATE only, because the text of an error may hold values.
    where = log.bind(
        practice_id=chunk.job.practice_id, job_id=chunk.job.job_id, first=chunk.first, last=chunk.last,
        error=type(error).__name__, sqlstate=sqlstate(error),
    )  # fmt: skip
    if is_transient(error):
        where.warning("chunk_released")
        _release(sessions, chunk, clock=clock)
        return False
    where.warning("chunk_split")
    code = codes.DATABASE_REFUSED if isinstance(error, DBAPIError) else codes.UNEXPECTED_ERROR
    return _split(sessions, chunk, code=code, clock=clock)


def _halt(sessions: Sessions, chunk: Chunk, *, code: str, clock: Clock) -> bool:
    """Release the chunk and halt the job, so that a user looks into it before anything else is posted."""
    _release(sessions, chunk, clock=clock)
    with transaction(sessions, chunk.job.practice_id) as session:
        job = lifecycle.lock(session, chunk.job)
        if job is not None and job.status is JobStatus.RUNNING:
            finish.halt(session, chunk.job, because=code, now=clock())
    return False


def _release(sessions: Sessions, chunk: Chunk, *, clock: Clock) -> None:
    """Release the chunk. Wait for a database that is down, so that the outage does not count as a dead worker."""
    for seconds in (*RELEASE_RETRY_SECONDS, None):
        try:
            with transaction(sessions, chunk.job.practice_id) as session:
                chunks.release(session, chunk, not_before=clock() + TRANSIENT_WAIT)
        except DBAPIError as error:
            if seconds is None or not is_transient(error):
                raise
            time.sleep(seconds)
        else:
            return


def _split(sessions: Sessions, chunk: Chunk, *, code: str, clock: Clock) -> bool:
    with transaction(sessions, chunk.job.practice_id) as session:
        chunks.split(session, chunk, code=code, now=clock())
    _advance(sessions, chunk.job, clock=clock)
    return True

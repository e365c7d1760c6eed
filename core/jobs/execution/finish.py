"""Move a job on when no user is needed: complete, pause, cancel or halt it.

The audit entry that ends a job records its totals, and digests of its chunk counters and postings. Chunks have no
audit entries of their own, because each would wait for the end of the audit chain.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, extract, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.access import audit
from core.enums.job_items import ChunkState
from core.enums.jobs import JobStatus
from core.jobs import codes, lifecycle
from core.jobs.execution import failure_budget, reconcile
from core.jobs.keys import JobKey
from core.ledger import sums
from core.models.job_items import JobChunk
from core.models.jobs import SettleJob
from core.models.ledger import PostingDigest

S = JobStatus

_DIGESTS: Final = ("chunks_sha256", "postings_sha256")
SUMMED: Final = ("settled", "skipped", "failed", "insurance_cents", "patient_cents")
_HASHED: Final = (
    "first_position", "last_position", *SUMMED, "insurance_before_cents", "patient_before_cents",
    "insurance_after_cents", "patient_after_cents",
)  # fmt: skip


def advance(session: Session, key: JobKey, *, now: dt.datetime) -> JobStatus | None:
    """Complete, pause, cancel or halt the job if it is ready for that. Return the new status, or None."""
    if _is_running_without_failures(session, key):
        return None  # the common case, checked without a lock: the worker that commits last checks again
    # Lock first and check in a second statement. A single UPDATE … WHERE NOT EXISTS (open chunk) would wait for the row
    # and then decide by its old snapshot.
    job = lifecycle.lock(session, key)
    if job is None or job.status not in (S.RUNNING, S.PAUSING, S.CANCELLING):
        return None
    if not _has_open_chunks(session, key):
        return _finish(session, key, job, now=now)
    if job.status is S.RUNNING:
        return _halt_if_budget_exceeded(session, key, now=now)
    return _stop(session, key, job, now=now) if _no_worker_active(session, key) else None


_OPEN_CHUNK: Final = exists().where(*JobKey.of_named(JobChunk), JobChunk.state == ChunkState.OPEN)
_RUNNING: Final = exists().where(*JobKey.of_named(SettleJob), SettleJob.status == S.RUNNING)
_FAILED: Final = exists().where(*JobKey.of_named(JobChunk), JobChunk.failed > 0)
# Built once, because it runs after every chunk.
_RUNNING_WITHOUT_FAILURES: Final = select(and_(_RUNNING, ~_FAILED, _OPEN_CHUNK))


def _is_running_without_failures(session: Session, key: JobKey) -> bool:
    """Return whether the job is running with open chunks and without a failure."""
    return bool(session.scalar(_RUNNING_WITHOUT_FAILURES, key.named()))


def _halt_if_budget_exceeded(session: Session, key: JobKey, *, now: dt.datetime) -> JobStatus | None:
    because = failure_budget.exceeded(session, key)
    return halt(session, key, because=because, now=now) if because else None


def halt(session: Session, key: JobKey, *, because: str, now: dt.datetime) -> JobStatus:
    """Halt the locked, running job with the reason's code."""
    moved = lifecycle.transition(session, key, source=S.RUNNING, target=S.HALTED, now=now, halted_because=because)
    assert moved, "the row is locked"
    _record(session, key, "job.halted", now=now, because=because)
    return S.HALTED


def _has_open_chunks(session: Session, key: JobKey) -> bool:
    return bool(session.scalar(select(_OPEN_CHUNK), key.named()))


def _no_worker_active(session: Session, key: JobKey) -> bool:
    """Return whether no worker has a chunk. Row locks cannot be seen, so try to lock every open chunk."""
    of_job = (*key.of(JobChunk), JobChunk.state == ChunkState.OPEN)
    free = select(JobChunk.first_position).where(*of_job).with_for_update(skip_locked=True).subquery()
    counts = select(
        select(func.count()).select_from(free).scalar_subquery(),
        select(func.count()).select_from(JobChunk).where(*of_job).scalar_subquery(),
    )
    lockable, open_ = session.execute(counts).one()
    return bool(lockable == open_)


def _stop(session: Session, key: JobKey, job: SettleJob, *, now: dt.datetime) -> JobStatus:
    target = S.PAUSED if job.status is S.PAUSING else S.CANCELLED
    finished = {"finished_at": now} if target is S.CANCELLED else {}
    if finished:
        sums.combine(session, job)
    moved = lifecycle.transition(session, key, source=job.status, target=target, now=now, **finished)
    assert moved, "the row is locked"
    _record(session, key, f"job.{target}", now=now, **(totals_with_digest(session, key) if finished else {}))
    return target


def _finish(session: Session, key: JobKey, job: SettleJob, *, now: dt.datetime) -> JobStatus:
    faults = reconcile.find_discrepancies(session, job)
    sums.combine(session, job)
    target = S.HALTED if faults else S.COMPLETED
    values: dict[str, Any] = {"halted_because": codes.BOOKS_DO_NOT_BALANCE} if faults else {"finished_at": now}
    moved = lifecycle.transition(session, key, source=job.status, target=target, now=now, **values)
    assert moved, "the row is locked"
    _record(session, key, f"job.{target}", now=now, faults=faults, **totals_with_digest(session, key))
    return target


def _record(session: Session, key: JobKey, act: str, *, now: dt.datetime, **facts: Any) -> None:
    audit.record(session, act, key.subject(), by=None, now=now, **facts)


def totals_with_digest(session: Session, key: JobKey) -> dict[str, Any]:
    """Return the sums over the job's chunks, a SHA-256 of their counters, and one of its postings' digests.

    The hashed texts contain a line "first|last|settled|…" for each chunk, and "epoch|first|last|postings|sha256" for
    each digest, in order.
    """
    row = session.execute(_TOTALS, key.named()).one()._mapping
    return {**{name: int(row[name]) for name in SUMMED}, **{name: row[name] for name in _DIGESTS}}


def _sha256(columns: Sequence[Any], order: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[str]:
    lines = func.string_agg(func.concat_ws("|", *columns), aggregate_order_by(literal("\n"), order))
    return func.encode(func.sha256(func.convert_to(lines, "UTF8")), "hex")


def _totals() -> Select[Any]:
    sums = [func.coalesce(func.sum(getattr(JobChunk, name)), 0).label(name) for name in SUMMED]
    chunks = _sha256([getattr(JobChunk, name) for name in _HASHED], JobChunk.first_position)
    of = PostingDigest
    posted = _sha256([extract("epoch", of.at), of.first_id, of.last_id, of.postings, of.sha256], of.first_id)
    of_job = select(posted).where(of.practice_id == bindparam("of_practice"), of.job_id == bindparam("of_job"))
    digests = zip(_DIGESTS, (chunks, of_job.scalar_subquery()), strict=True)
    return select(*sums, *(digest.label(name) for name, digest in digests)).where(*JobKey.of_named(JobChunk))


_TOTALS: Final = _totals()

"""A job's life: one table of edges, and the only function that moves a job along one."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.orm import Session

from core.access import audit
from core.jobs import budget, ending, reconcile
from core.jobs.keys import JobKey
from core.jobs.models import ChunkState, JobChunk, JobStatus, SettleJob

S = JobStatus

TRANSITIONS: Final[dict[tuple[JobStatus, JobStatus], str]] = {
    (S.PREPARING, S.PREVIEWED): "its items are frozen",
    (S.PREPARING, S.DISCARDED): "given up, or nothing was selected",
    (S.PREPARING, S.REPORTED): "a schedule in report mode",
    (S.PREVIEWED, S.CONFIRMED): "somebody typed CONFIRM",
    (S.PREVIEWED, S.AWAITING_APPROVAL): "it is over a limit",
    (S.PREVIEWED, S.EXPIRED): "it was not confirmed within an hour",
    (S.PREVIEWED, S.DISCARDED): "given up",
    (S.AWAITING_APPROVAL, S.CONFIRMED): "another person approved",
    (S.AWAITING_APPROVAL, S.REJECTED): "another person said no",
    (S.AWAITING_APPROVAL, S.EXPIRED): "nobody approved within 7 days",
    (S.AWAITING_APPROVAL, S.DISCARDED): "given up",
    (S.CONFIRMED, S.RUNNING): "a worker took its first chunk",
    (S.CONFIRMED, S.PAUSING): "a pause was asked for before a worker came",
    (S.CONFIRMED, S.CANCELLING): "a cancellation was asked for",
    (S.RUNNING, S.PAUSING): "a pause was asked for",
    (S.RUNNING, S.CANCELLING): "a cancellation was asked for",
    (S.RUNNING, S.HALTED): "its failure budget is spent, or its books do not balance",
    (S.RUNNING, S.COMPLETED): "nothing is open, and it reconciles to the cent",
    (S.PAUSING, S.PAUSED): "no worker is inside",
    (S.PAUSING, S.COMPLETED): "nothing was left to pause",
    (S.PAUSING, S.HALTED): "nothing was left, and its books do not balance",
    (S.PAUSING, S.CANCELLING): "a cancellation was asked for",
    (S.PAUSED, S.CONFIRMED): "somebody resumed it",
    (S.PAUSED, S.CANCELLING): "a cancellation was asked for",
    (S.HALTED, S.CONFIRMED): "somebody resumed it",
    (S.HALTED, S.CANCELLING): "a cancellation was asked for",
    (S.CANCELLING, S.CANCELLED): "no worker is inside",
    (S.CANCELLING, S.COMPLETED): "nothing was left to cancel",
    (S.CANCELLING, S.HALTED): "nothing was left, and its books do not balance",
    (S.COMPLETED, S.CONFIRMED): "its failed claims are tried again",
}

OPEN_STATUSES: Final = (
    S.AWAITING_APPROVAL, S.CONFIRMED, S.RUNNING, S.PAUSING, S.PAUSED, S.HALTED, S.CANCELLING,
)  # fmt: skip
MOVING_STATUSES: Final = (S.PREPARING, S.CONFIRMED, S.RUNNING, S.PAUSING, S.CANCELLING)
WORKED_STATUSES: Final = (S.CONFIRMED, S.RUNNING)  # workers take chunks of these
FINAL_STATUSES: Final = (
    S.COMPLETED,
    S.CANCELLED,
    S.DISCARDED,
    S.EXPIRED,
    S.REJECTED,
    S.REPORTED,
)

BOOKS_DO_NOT_BALANCE: Final = "books_do_not_balance"


def move(
    session: Session,
    job: JobKey,
    *,
    source: JobStatus,
    target: JobStatus,
    **values: Any,
) -> bool:
    """Move the job if it is still in `source`, setting `values` too; tell the caller whether it was the mover."""
    assert (source, target) in TRANSITIONS, (source, target)
    moved = update(SettleJob).where(*job.of(SettleJob), SettleJob.status == source)
    return session.scalar(moved.values(status=target, **values).returning(SettleJob.id)) is not None


def lock(session: Session, job: JobKey) -> SettleJob | None:
    """Lock the job row until the transaction ends and read it as it is then; None where there is none.

    Whatever opens a chunk or ends a job holds this lock. It is `NO KEY`, so that postings, which name
    the job by a foreign key, go on meanwhile.
    """
    found = select(SettleJob).where(*job.of(SettleJob)).with_for_update(key_share=True)
    return session.scalars(found.execution_options(populate_existing=True)).one_or_none()


def step(session: Session, key: JobKey, *, now: dt.datetime) -> JobStatus | None:
    """Take the job's next step that needs nobody: complete, pause or cancel it. Give the new status if it moved."""
    if _is_busy(session, key):
        return None  # the common case, asked without a lock: whoever commits last asks again
    # Locked first and asked in a new statement: a single UPDATE … WHERE NOT EXISTS (open
    # chunk) waits on the row and then judges by its old snapshot.
    job = lock(session, key)
    if job is None or job.status not in (S.RUNNING, S.PAUSING, S.CANCELLING):
        return None
    if not _has_open_chunks(session, key):
        return _finish(session, key, job, now=now)
    if job.status is S.RUNNING:
        return _halt_if_spent(session, key, now=now)
    return _rest(session, key, job.status, now=now) if _no_worker_inside(session, key) else None


def _is_busy(session: Session, key: JobKey) -> bool:
    """Running with chunks open, and no failure that a budget could count."""
    failed = exists().where(*key.of(JobChunk), JobChunk.failed > 0)
    running = exists().where(*key.of(SettleJob), SettleJob.status == S.RUNNING)
    return bool(session.scalar(select(and_(running, ~failed)))) and _has_open_chunks(session, key)


def _halt_if_spent(session: Session, key: JobKey, *, now: dt.datetime) -> JobStatus | None:
    because = budget.spent(session, key)
    return halt(session, key, because=because, now=now) if because else None


def halt(session: Session, key: JobKey, *, because: str, now: dt.datetime) -> JobStatus:
    """Halt the locked, running job for a reason that a person must look into, as a code."""
    moved = move(session, key, source=S.RUNNING, target=S.HALTED, halted_because=because)
    assert moved, "the row is locked"
    _record(session, key, "job.halted", now=now, because=because)
    return S.HALTED


def _has_open_chunks(session: Session, key: JobKey) -> bool:
    open_chunk = exists().where(*key.of(JobChunk), JobChunk.state == ChunkState.OPEN)
    return bool(session.scalar(select(open_chunk)))


def _no_worker_inside(session: Session, key: JobKey) -> bool:
    """Row locks cannot be seen, but they can be tried: every open chunk can be locked, or somebody is inside."""
    of_job = (*key.of(JobChunk), JobChunk.state == ChunkState.OPEN)
    free = select(JobChunk.first_position).where(*of_job).with_for_update(skip_locked=True).subquery()
    counts = select(
        select(func.count()).select_from(free).scalar_subquery(),
        select(func.count()).select_from(JobChunk).where(*of_job).scalar_subquery(),
    )
    lockable, open_ = session.execute(counts).one()
    return bool(lockable == open_)


def _rest(session: Session, key: JobKey, source: JobStatus, *, now: dt.datetime) -> JobStatus:
    target = S.PAUSED if source is S.PAUSING else S.CANCELLED
    finished = {"finished_at": now} if target is S.CANCELLED else {}
    moved = move(session, key, source=source, target=target, **finished)
    assert moved, "the row is locked"
    _record(session, key, f"job.{target}", now=now, **(ending.counted(session, key) if finished else {}))
    return target


def _finish(session: Session, key: JobKey, job: SettleJob, *, now: dt.datetime) -> JobStatus:
    faults = reconcile.faults(session, job)
    target = S.HALTED if faults else S.COMPLETED
    values: dict[str, Any] = {"halted_because": BOOKS_DO_NOT_BALANCE} if faults else {"finished_at": now}
    moved = move(session, key, source=job.status, target=target, **values)
    assert moved, "the row is locked"
    _record(session, key, f"job.{target}", now=now, faults=faults, **ending.counted(session, key))
    return target


def _record(session: Session, key: JobKey, act: str, *, now: dt.datetime, **facts: Any) -> None:
    subject = f"job:{key.job_id}"
    audit.record(session, act, practice_id=key.practice_id, subject=subject, by=None, now=now, **facts)

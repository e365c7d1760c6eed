"""The progress of a job, computed from the job and its chunks in one statement.

Nothing is stored, so it is never stale.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, Select, and_, case, extract, func, literal, or_, select, true
from sqlalchemy.orm import Session

from core.enums.job_items import ChunkState
from core.enums.jobs import IN_PROGRESS_STATUSES, WORKABLE_STATUSES, JobStatus
from core.jobs.keys import JobKey, NoSuchJob
from core.jobs.results import stopped_time
from core.models.job_items import JobChunk, JobFailure
from core.models.jobs import SettleJob

RATE_WINDOW: Final = dt.timedelta(seconds=10)
SECOND: Final = dt.timedelta(seconds=1)  # no rate is shown for a shorter time, because it would be meaningless
CHUNK_ACTIVE_WITHIN: Final = dt.timedelta(seconds=30)  # an open chunk taken within this time counts as being worked on
STALLED_AFTER: Final = dt.timedelta(seconds=60)


@dataclass(frozen=True)
class Progress:
    """The progress of a job. Settled + skipped + failed + remaining = total at any time. Amounts are positive cents."""

    status: JobStatus
    total: int
    settled: int = 0
    skipped: int = 0
    failed: int = 0
    insurance_cents: int = 0  # written off
    patient_cents: int = 0
    rate_per_second: float | None = None
    seconds_left: int | None = None
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    worked_seconds: int | None = None  # until the job ended or last stopped, without pauses; None while it runs
    paused_seconds: int = 0  # in pauses, in halts, and from the end until a retry
    chunks_open: int = 0
    stalled_because: str | None = None

    @property
    def done(self) -> int:
        """Return the number of claims with an outcome."""
        return self.settled + self.skipped + self.failed

    @property
    def remaining(self) -> int:
        """Return the number of claims without an outcome."""
        return self.total - self.done

    @property
    def reconciling(self) -> bool:
        """Return whether every claim has its outcome and the job is still checking its totals."""
        return self.total > 0 and self.remaining == 0 and self.status in IN_PROGRESS_STATUSES


def for_job(session: Session, key: JobKey, *, now: dt.datetime) -> Progress:
    """Return the job's progress at `now`. Raise `NoSuchJob`."""
    found = session.execute(_sums(now).where(*key.of(SettleJob))).one_or_none()
    if found is None:
        raise NoSuchJob
    return _progress(found, now=now)


def for_jobs(session: Session, practice_id: int, job_ids: Collection[int], *, now: dt.datetime) -> dict[int, Progress]:
    """Return the progress of several jobs of a practice, by id."""
    rows = session.execute(_sums(now).where(SettleJob.practice_id == practice_id, SettleJob.id.in_(job_ids)))
    return {row.id: _progress(row, now=now) for row in rows}


def for_all_practices(
    session: Session, statuses: Collection[JobStatus], *, now: dt.datetime, limit: int
) -> dict[JobKey, Progress]:
    """Return the progress of all practices' jobs in these statuses, oldest first: counts only, no names."""
    statement = _sums(now).add_columns(SettleJob.practice_id).where(SettleJob.status.in_(statuses))
    rows = session.execute(statement.order_by(SettleJob.id).limit(limit))
    return {JobKey(row.practice_id, row.id): _progress(row, now=now) for row in rows}


def claims_per_second(session: Session, key: JobKey, *, now: dt.datetime, seconds: int = 60) -> list[tuple[int, int]]:
    """Return the last `seconds` seconds in which the job ran, each with its number of processed claims.

    A second is named by its end (Unix time). Seconds count from the start and from each resumption, as for the rate.
    """
    job = session.execute(select(SettleJob.started_at, SettleJob.finished_at).where(*key.of(SettleJob))).one()
    if job.started_at is None:
        return []
    rested = stopped_time.for_job(session, key)
    begins = [job.started_at, *(until for _, until in rested if until)]
    ends = [*(at for at, _ in rested), job.finished_at or now]  # one more than `begins` while the job is stopped
    ran = _seconds_at_work(begins, ends)[-seconds:]
    first_begin, first = ran[0]
    later = [(JobChunk.done_at > begin, literal(begin)) for begin in reversed(begins[1:])]
    begin = case(*later, else_=literal(begins[0])) if later else literal(begins[0])
    nth = func.greatest(func.ceil(extract("epoch", JobChunk.done_at - begin)), 1)
    of_job = (*key.of(JobChunk), JobChunk.done_at >= first_begin + (first - 1) * SECOND)
    each = (
        select(begin.label("begin"), nth.label("nth"), _claims_of_last_try().label("claims")).where(*of_job).subquery()
    )
    rows = session.execute(select(each.c.begin, each.c.nth, func.sum(each.c.claims)).group_by(each.c.begin, each.c.nth))
    claims = {(begin, int(second)): int(count) for begin, second, count in rows}
    return [(int(begin.timestamp()) + second, claims.get((begin, second), 0)) for begin, second in ran]


def _seconds_at_work(begins: list[dt.datetime], ends: list[dt.datetime]) -> list[tuple[dt.datetime, int]]:
    """Return each second as the begin of its period and its number from 1. The last one of a period is not whole."""
    found = []
    for begin, end in zip(begins, ends, strict=False):
        seconds = max(1, -((begin - end) // SECOND))  # the clock of the worker that started may be ahead of ours
        found += [(begin, number + 1) for number in range(seconds)]
    return found


def _claims_of_last_try() -> Any:
    """Return how many claims a chunk processed when it was done: after a retry, only the retried ones."""
    of_chunk = and_(
        JobFailure.practice_id == JobChunk.practice_id,
        JobFailure.job_id == JobChunk.job_id,
        JobFailure.position.between(JobChunk.first_position, JobChunk.last_position),
    )
    retried = select(func.count()).where(of_chunk).group_by(JobFailure.retried_at)
    newest = retried.order_by(JobFailure.retried_at.desc()).limit(1).correlate(JobChunk).scalar_subquery()
    return func.coalesce(newest, JobChunk.settled + JobChunk.skipped + JobChunk.failed)


def is_any_job_stalled(session: Session, *, now: dt.datetime) -> bool:
    """Return whether a job has waited for a minute without any worker taking or finishing a chunk."""
    return find_stalled_job(session, now=now, for_at_least=STALLED_AFTER) is not None


def find_stalled_job(session: Session, *, now: dt.datetime, for_at_least: dt.timedelta) -> JobKey | None:
    """Return a job with open chunks if no worker took or finished any chunk for this long, else None."""
    since = now - for_at_least
    of_job = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
    moving = or_(SettleJob.status.in_(WORKABLE_STATUSES), SettleJob.finished_at > since)
    active = select(SettleJob.id).where(moving, of_job, or_(JobChunk.taken_at > since, JobChunk.done_at > since))
    is_open = select(JobChunk.first_position).where(of_job, JobChunk.state == ChunkState.OPEN)
    waits = select(SettleJob.practice_id, SettleJob.id).where(
        SettleJob.status.in_(WORKABLE_STATUSES), SettleJob.confirmed_at <= since, is_open.exists()
    )
    found = session.execute(waits.limit(1)).one_or_none()
    return None if found is None or session.execute(active.limit(1)).first() else JobKey(*found)


def previews_waiting(session: Session, *, now: dt.datetime) -> int:
    """Count the previews that have waited for a minute and that no worker is preparing."""
    waits = and_(SettleJob.status == JobStatus.PREPARING, SettleJob.requested_at <= now - STALLED_AFTER)
    # A worker locks the job while it prepares it, so skip locked rows.
    free = select(SettleJob.id).where(waits).with_for_update(read=True, skip_locked=True)
    return len(session.scalars(free).all())


def _sums(now: dt.datetime) -> Select[*tuple[Any, ...]]:
    is_open = JobChunk.state == ChunkState.OPEN
    rest = stopped_time.for_each_job()
    since = func.greatest(SettleJob.started_at, rest.c.woke_at)
    whole = func.floor(extract("epoch", literal(now) - since))
    until = since + func.make_interval(0, 0, 0, 0, 0, 0, whole)
    window = and_(JobChunk.done_at > until - RATE_WINDOW, JobChunk.done_at > since, JobChunk.done_at <= until)
    zero = (func.coalesce(func.sum(getattr(JobChunk, name)), 0).label(name) for name in _COUNTERS)
    of_job = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
    return (
        select(
            SettleJob.id,
            SettleJob.status,
            SettleJob.claims_total,
            SettleJob.claims_expected,
            SettleJob.confirmed_at,
            SettleJob.started_at,
            SettleJob.finished_at,
            *zero,
            func.count().filter(is_open).label("chunks_open"),
            func.count().filter(is_open, JobChunk.taken_at > now - CHUNK_ACTIVE_WITHIN).label("chunks_at_work"),
            func.coalesce(func.sum(_claims_of_last_try()).filter(window), 0).label("done_recently"),
            func.max(JobChunk.done_at).label("last_done_at"),
            *rest.c,
        )
        .select_from(SettleJob)
        .join(rest, true())
        .outerjoin(JobChunk, of_job)
        .group_by(SettleJob.practice_id, SettleJob.id, *rest.c)
    )


_COUNTERS: Final = ("settled", "skipped", "failed", "insurance_cents", "patient_cents")


def _progress(row: Row[Any], *, now: dt.datetime) -> Progress:
    total = row.claims_total if row.claims_total is not None else (row.claims_expected or 0)
    done = row.settled + row.skipped + row.failed
    worked = _seconds_worked(row)
    rate = _rate(row, done, worked, now=now)
    moving = row.status in WORKABLE_STATUSES
    return Progress(
        status=row.status,
        total=total,
        **{name: int(getattr(row, name)) for name in _COUNTERS},
        rate_per_second=rate,
        seconds_left=_seconds_left(total - done, rate) if moving else None,
        started_at=row.started_at,
        finished_at=row.finished_at,
        worked_seconds=None if worked is None else round(worked.total_seconds()),
        paused_seconds=round(row.rested.total_seconds()),
        chunks_open=row.chunks_open,
        stalled_because=_stalled(row, now=now) if moving else None,
    )


def _seconds_worked(row: Row[Any]) -> dt.timedelta | None:
    """Return how long the job ran until it ended or last stopped, or None while it moves or before it starts."""
    end = row.finished_at or (row.rests_since if row.status not in IN_PROGRESS_STATUSES else None)
    if row.started_at is None or end is None:
        return None
    worked: dt.timedelta = end - row.started_at - row.rested
    return max(worked, dt.timedelta(0))


def _rate(row: Row[Any], done: int, worked: dt.timedelta | None, *, now: dt.datetime) -> float | None:
    """Return claims per second: over the whole run for a job that ended, over the last ten seconds while it moves.

    Only whole seconds of the chart count, so that no average is above its busiest second. Pauses are left out. Return
    None for a job that is stopped or waits for a worker, and before it has run for a second.
    """
    if row.started_at is None or done == 0 or row.status is JobStatus.CONFIRMED:
        return None
    if row.finished_at is not None:
        return None if worked is None or worked < SECOND else round(done / worked.total_seconds(), 1)
    if row.status not in IN_PROGRESS_STATUSES:
        return None
    since = max(row.started_at, row.woke_at or row.started_at)
    seconds = min(RATE_WINDOW, now - since) // SECOND
    return None if seconds < 1 else round(int(row.done_recently) / seconds, 1)


def _seconds_left(remaining: int, rate: float | None) -> int | None:
    return None if not rate or not remaining else round(remaining / rate)


def _stalled(row: Row[Any], *, now: dt.datetime) -> str | None:
    moments = (row.confirmed_at, row.last_done_at, row.started_at, row.woke_at)
    since = max(at for at in moments if at is not None)
    if row.chunks_open == 0 or now - since < STALLED_AFTER:
        return None
    return "locks" if row.chunks_at_work else "no_worker"


def as_json(progress: Progress) -> dict[str, Any]:
    """Return the progress as the API and the commands show it: cents, ISO times."""
    return {
        "status": progress.status.value,
        "total": progress.total,
        "settled": progress.settled,
        "skipped": progress.skipped,
        "failed": progress.failed,
        "remaining": progress.remaining,
        "reconciling": progress.reconciling,
        "written_off_cents": {
            "insurance": progress.insurance_cents,
            "patient": progress.patient_cents,
        },
        "rate_per_second": progress.rate_per_second,
        "seconds_left": progress.seconds_left,
        "started_at": _as_utc(progress.started_at),
        "finished_at": _as_utc(progress.finished_at),
        "worked_seconds": progress.worked_seconds,
        "paused_seconds": progress.paused_seconds,
    }


def _as_utc(at: dt.datetime | None) -> str | None:
    """Return the time in UTC with a Z, like the job's other times."""
    return None if at is None else at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")

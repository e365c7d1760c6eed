"""Figures for the whole installation from the database, by code and status, each with a cheap query."""

import datetime as dt
from typing import Final, NamedTuple

from sqlalchemy import and_, case, func, literal, select, union_all
from sqlalchemy.orm import Session

from core.enums.job_items import ChunkState, Outcome
from core.enums.jobs import WORKABLE_STATUSES, JobKind, JobStatus
from core.enums.notices import OutboxState
from core.enums.schedules import RunOutcome
from core.jobs.keys import JobKey
from core.models.claims import Claim
from core.models.job_items import JobChunk, JobFailure, JobItem
from core.models.jobs import SettleJob
from core.models.notices import OutboxMessage
from core.models.operations import Tally
from core.models.practices import Practice
from core.models.schedules import ScheduleRun

PRACTICES_MAX: Final = 1_000  # with their own figures, if that is turned on

_OF_CHUNK: Final = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
_OF_FAILURE: Final = and_(JobFailure.practice_id == SettleJob.practice_id, JobFailure.job_id == SettleJob.id)
_ITEM_OF_CHUNK: Final = and_(
    JobItem.practice_id == JobChunk.practice_id,
    JobItem.job_id == JobChunk.job_id,
    JobItem.position.between(JobChunk.first_position, JobChunk.last_position),
    JobItem.outcome == Outcome.FAILED,
)


class JobTotals(NamedTuple):
    """The totals of all jobs of one kind. A failure counts each time it happened. Amounts in cents."""

    kind: JobKind
    settled: int
    skipped: int
    failed: int
    insurance_cents: int
    patient_cents: int


class OpenChunks(NamedTuple):
    """Chunks that wait for a worker or are in progress."""

    chunks: int
    oldest: JobKey | None
    oldest_seconds: float  # since its job was confirmed, its claims were reopened or a worker took it


class WaitingJobs(NamedTuple):
    """A number of waiting jobs, and how long the oldest has waited."""

    jobs: int
    seconds: float


def jobs_by_status(session: Session) -> dict[JobStatus, int]:
    """Count the jobs in all practices by status."""
    found = session.execute(select(SettleJob.status, func.count()).group_by(SettleJob.status)).all()
    counted = dict(found)
    return {status: counted.get(status, 0) for status in JobStatus}


def job_totals(session: Session) -> list[JobTotals]:
    """Return the totals of all jobs by kind. They never decrease."""
    zero = literal(0)
    names = ("settled", "skipped", "failed", "insurance_cents", "patient_cents")
    chunks = select(SettleJob.kind, *(getattr(JobChunk, name) for name in names)).join(JobChunk, _OF_CHUNK)
    # In one statement with the chunks, because a retry moves a failure from one to the other.
    tried_again = select(SettleJob.kind, zero, zero, literal(1), zero, zero).join(JobFailure, _OF_FAILURE)
    both = union_all(chunks, tried_again).subquery()
    sums = [func.coalesce(func.sum(both.c[name]), 0) for name in names]
    return [
        JobTotals(kind, *map(int, figures))
        for kind, *figures in session.execute(select(both.c.kind, *sums).group_by("kind"))
    ]


def written_off_by_practice(session: Session) -> list[tuple[int | None, int, int]]:
    """Return (practice id, insurance cents, patient cents) for the first thousand practices.

    The id None is the sum of all later practices.
    """
    # Take the first of all practices, not of those with jobs, so that a practice always counts in the same figure.
    first = select(Practice.id).order_by(Practice.id).limit(PRACTICES_MAX)
    practice = case((JobChunk.practice_id.in_(first), JobChunk.practice_id)).label("practice")
    sums = [func.sum(JobChunk.insurance_cents), func.sum(JobChunk.patient_cents)]
    statement = select(practice, *sums).join(SettleJob, _OF_CHUNK).where(SettleJob.kind == JobKind.SETTLE)
    rows = session.execute(statement.group_by("practice").order_by("practice"))
    return [(row[0], int(row[1]), int(row[2])) for row in rows]


def failures_by_code(session: Session, *, since: dt.datetime | None = None) -> dict[str, int]:
    """Count failures by code, including retried ones, of all chunks or of those finished `since`."""
    failed = select(JobItem.code.label("code")).join(JobChunk, _ITEM_OF_CHUNK).where(JobChunk.failed > 0)
    again = select(JobFailure.code.label("code"))
    if since is not None:
        failed, again = failed.where(JobChunk.done_at >= since), again.where(JobFailure.retried_at >= since)
    both = union_all(failed, again).subquery()
    return {str(code): count for code, count in session.execute(select(both.c.code, func.count()).group_by("code"))}


def open_chunks(session: Session, *, now: dt.datetime) -> OpenChunks:
    """Return the open chunks of jobs that workers may work on."""
    open_ = and_(SettleJob.status.in_(WORKABLE_STATUSES), JobChunk.state == ChunkState.OPEN)
    count = session.scalars(select(func.count()).select_from(SettleJob).join(JobChunk, _OF_CHUNK).where(open_)).one()
    again = select(func.max(JobFailure.retried_at)).where(_OF_FAILURE).correlate(SettleJob).scalar_subquery()
    since = func.greatest(SettleJob.confirmed_at, JobChunk.taken_at, again)
    statement = select(SettleJob.practice_id, SettleJob.id, since).join(JobChunk, _OF_CHUNK).where(open_)
    found = session.execute(statement.order_by(since).limit(1)).one_or_none()
    if found is None:
        return OpenChunks(count, None, 0)
    return OpenChunks(count, JobKey(found[0], found[1]), _seconds(found[2], now))


def approvals(session: Session, *, now: dt.datetime) -> WaitingJobs:
    """Return the jobs that need approval."""
    waiting = SettleJob.status == JobStatus.AWAITING_APPROVAL
    statement = select(func.count(), func.min(SettleJob.approval_requested_at)).where(waiting)
    count, since = session.execute(statement).one()
    return WaitingJobs(count, _seconds(since, now))


def oldest_preparing_seconds(session: Session, *, now: dt.datetime) -> float:
    """Return the age of the oldest preview that is not ready yet, even if a worker is preparing it, or 0."""
    waiting = SettleJob.status == JobStatus.PREPARING
    return _seconds(session.scalar(select(func.min(SettleJob.requested_at)).where(waiting)), now)


def runs_by_outcome(session: Session) -> dict[RunOutcome, int]:
    """Count the runs of schedules (and "run now") by outcome."""
    found = session.execute(select(ScheduleRun.outcome, func.count()).group_by(ScheduleRun.outcome)).all()
    counted = dict(found)
    return {outcome: counted.get(outcome, 0) for outcome in RunOutcome}


class Mails(NamedTuple):
    """E-mails: sent, given up, and currently failing."""

    sent: int
    given_up: int
    failing: int


def count_mails(session: Session) -> Mails:
    """Count the e-mails of all practices."""
    state = OutboxMessage.state
    failing = and_(state.in_((OutboxState.DUE, OutboxState.SENDING)), OutboxMessage.tries > 0)
    kinds = (state == OutboxState.SENT, state == OutboxState.GIVEN_UP, failing)
    counts = (func.count().filter(kind) for kind in kinds)
    is_mail = (OutboxMessage.webhook_id.is_(None), OutboxMessage.time_stamp_id.is_(None))
    return Mails._make(session.execute(select(*counts).where(*is_mail)).one())


class TimeStamps(NamedTuple):
    """Audit entries whose time stamp the authority has not given: being retried, and given up this week."""

    failing: int
    given_up: int
    last_result: str | None


def count_time_stamps(session: Session, *, now: dt.datetime) -> TimeStamps:
    """Count the audit entries without a time stamp, of all practices."""
    state = OutboxMessage.state
    failing = and_(state.in_((OutboxState.DUE, OutboxState.SENDING)), OutboxMessage.tries > 0)
    week = and_(state == OutboxState.GIVEN_UP, OutboxMessage.queued_at > now - dt.timedelta(days=7))
    counts = (func.count().filter(failing), func.count().filter(week), func.max(OutboxMessage.last_result))
    missing = select(*counts).where(OutboxMessage.time_stamp_id.is_not(None), state != OutboxState.SENT)
    return TimeStamps._make(session.execute(missing).one())


def mismatches(session: Session) -> int:
    """Count the claims flagged because their balance differs from their ledger."""
    return session.scalars(select(func.count()).select_from(Claim).where(Claim.balance_mismatch)).one()


def counter_values(session: Session) -> dict[tuple[str, str], float]:
    """Return the counters of all processes, by name and label."""
    return {
        (name, label): value for name, label, value in session.execute(select(Tally.name, Tally.label, Tally.value))
    }


def server_version(session: Session) -> str:
    """Return the version of the database server."""
    return str(session.scalar(select(func.current_setting("server_version"))))


def _seconds(since: dt.datetime | None, now: dt.datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())

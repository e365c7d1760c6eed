"""What a user's other jobs and adjustments wrote off without approval in the last 24 hours.

The sum covers 24 hours instead of a calendar day, so that neither midnight nor a changed time zone starts a new one. It
counts the runs of the user's schedules and the adjustments that the user posted by hand.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import and_, func, not_, select, true
from sqlalchemy.orm import Session

from core.access.recent_changes import WINDOW
from core.enums.jobs import FINAL_STATUSES, JobKind, JobStatus
from core.jobs import requesters
from core.ledger import adjustment_limits
from core.models.job_items import JobChunk
from core.models.jobs import SettleJob

# Jobs that do not count, because they wrote off nothing and will not.
_NOT_COUNTED: Final = (
    JobStatus.PREPARING,
    JobStatus.PREVIEWED,
    *(status for status in FINAL_STATUSES if status not in (JobStatus.COMPLETED, JobStatus.CANCELLED)),
)


class DaySum(NamedTuple):
    """What a user wrote off without approval: cents by job, and the adjustments by hand."""

    jobs: dict[int, int]
    by_hand_cents: int

    @property
    def cents(self) -> int:
        """Return the sum."""
        return sum(self.jobs.values()) + self.by_hand_cents


def without_approval(session: Session, job: SettleJob, *, by: int, now: dt.datetime) -> DaySum:
    """Return the sum of the user's other jobs and adjustments in the 24 hours before `now`.

    A job that was approved or still needs approval does not count, because it did not slip under the limit.
    """
    others = [other for other in recent_jobs(session, job, by=by, at=now) if other.approval_requested_at is None]
    cents = _max_write_off_cents(session, job.practice_id, others)
    sums = {other.id: sum_ for other, sum_ in zip(others, cents, strict=True) if sum_}
    return DaySum(sums, adjustment_limits.adjusted_by_hand(session, job.practice_id, by, now=now))


def recent_jobs(session: Session, job: SettleJob, *, by: int, at: dt.datetime) -> list[SettleJob]:
    """Return the other settle jobs that the user confirmed, or sent to approval, since 24 hours before `at`.

    Tonight's run of a schedule may begin 23 hours after yesterday's, so its scheduled runs for other days are left out.
    "Run now" counts.
    """
    let_run_at = func.coalesce(SettleJob.approval_requested_at, SettleJob.confirmed_at)
    may_leave_out = job.schedule_id is not None and job.run_date is not None
    is_other_day = and_(
        SettleJob.schedule_id.is_not_distinct_from(job.schedule_id),
        SettleJob.run_date.is_not(None),
        SettleJob.run_date.is_distinct_from(job.run_date),
    )
    recent = (
        SettleJob.practice_id == job.practice_id,
        SettleJob.id != job.id,
        requesters.accountable_to(by),
        SettleJob.kind == JobKind.SETTLE,
        let_run_at > at - WINDOW,  # without an end: a job confirmed at the same moment by another process counts too
        SettleJob.status.not_in(_NOT_COUNTED),
        not_(is_other_day) if may_leave_out else true(),
    )
    return list(session.scalars(select(SettleJob).where(*recent).order_by(SettleJob.id)))


def write_off_total(job: SettleJob) -> int:
    """Return what the previewed job writes off, in cents."""
    frozen = job.preview or {}
    return int(frozen.get("insurance_cents", 0)) + int(frozen.get("patient_cents", 0))


def _max_write_off_cents(session: Session, practice_id: int, jobs: Sequence[SettleJob]) -> list[int]:
    """Return the most that each job can write off, in cents. A canceled job counts only what it did."""
    canceled = [job.id for job in jobs if job.status is JobStatus.CANCELLED]
    done = func.sum(JobChunk.insurance_cents + JobChunk.patient_cents)
    of_jobs = (JobChunk.practice_id == practice_id, JobChunk.job_id.in_(canceled))
    rows = session.execute(select(JobChunk.job_id, done).where(*of_jobs).group_by(JobChunk.job_id))
    did = {job_id: int(sum_) for job_id, sum_ in rows}
    return [did.get(job.id, 0) if job.status is JobStatus.CANCELLED else write_off_total(job) for job in jobs]

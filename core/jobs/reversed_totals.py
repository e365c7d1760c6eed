"""Totals of a job's reversals."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core.models.job_items import JobChunk
from core.models.jobs import SettleJob


class ReversedTotals(NamedTuple):
    """The claims and cents that all reversals of a job restored."""

    claims: int
    insurance_cents: int
    patient_cents: int

    @property
    def cents(self) -> int:
        """Return the sum of insurance and patient cents."""
        return self.insurance_cents + self.patient_cents


def for_jobs(session: Session, practice_id: int, job_ids: Collection[int]) -> dict[int, ReversedTotals]:
    """Return the reversed totals by job id. Jobs without a reversal are left out."""
    of_reversal = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
    sums = (func.sum(getattr(JobChunk, name)) for name in ("settled", "insurance_cents", "patient_cents"))
    rows = session.execute(
        select(SettleJob.reverses_job_id, *sums)
        .join(JobChunk, of_reversal)
        .where(SettleJob.practice_id == practice_id, SettleJob.reverses_job_id.in_(job_ids))
        .group_by(SettleJob.reverses_job_id)
    )
    return {job_id: ReversedTotals(*map(int, counted)) for job_id, *counted in rows if counted[0]}

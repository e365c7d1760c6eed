"""What people and the product did to a job, from its audit: who paused it, who resumed it, and when."""

import datetime as dt
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.models import AuditEntry, User
from core.jobs.keys import JobKey

ACTS: Final = {
    "job.requested": "Requested",
    "job.confirmed": "Confirmed",
    "job.approval_asked": "Confirmed, over a limit",
    "job.approved": "Approved",
    "job.rejected": "Rejected",
    "job.pause_asked": "Paused",
    "job.resumed": "Resumed",
    "job.cancel_asked": "Cancelled",
    "job.retried": "Failed claims tried again",
    "job.discarded": "Discarded",
    "job.expired": "Expired",
    "job.halted": "Halted",
    "job.completed": "Completed",
}


class Act(NamedTuple):
    """One act on a job; `by` is the person's name, None where the product did it."""

    act: str
    at: dt.datetime
    by: str | None

    @property
    def words(self) -> str:
        """What was done, for people."""
        return ACTS[self.act]


def of_job(session: Session, key: JobKey) -> list[Act]:
    """Every act on the job, oldest first."""
    of_job = (AuditEntry.practice_id == key.practice_id, AuditEntry.subject == f"job:{key.job_id}")
    acts = select(AuditEntry.act, AuditEntry.at, User.name).outerjoin(User, User.id == AuditEntry.user_id)
    rows = session.execute(acts.where(*of_job, AuditEntry.act.in_(ACTS)).order_by(AuditEntry.id))
    return [Act(*row) for row in rows]

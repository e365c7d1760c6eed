"""The acts on a job, from its audit: who paused it, who resumed it, and when."""

import datetime as dt
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.audit import sentences
from core.jobs.keys import JobKey
from core.models.people import AuditEntry, User

# The job's page shows its other acts elsewhere: who requested, confirmed and decided, when it started and finished.
JOB_ACTS: Final = (
    "job.pause_asked", "job.resumed", "job.cancel_asked", "job.retried", "job.discarded", "job.halted", "job.named",
    "job.renamed",
)  # fmt: skip


class JobEvent(NamedTuple):
    """One act on a job. `by` is the user's name, or None for the system."""

    act: str
    at: dt.datetime
    by: str | None

    @property
    def words(self) -> str:
        """Return what was done, in the audit's words."""
        return sentences.ACT_SENTENCES[self.act].replace("{it}", "the job")


def for_job(session: Session, key: JobKey) -> list[JobEvent]:
    """Return the job's acts of these kinds, oldest first."""
    acts = select(AuditEntry.act, AuditEntry.at, User.name).outerjoin(User, User.id == AuditEntry.user_id)
    rows = session.execute(acts.where(*key.subject().matches(), AuditEntry.act.in_(JOB_ACTS)).order_by(AuditEntry.id))
    return [JobEvent(*row) for row in rows]

"""A job's key. The practice comes first, as in every primary key."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement

from core.access.audit import Subject
from core.errors import NotFound
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import SettleJob


class NoSuchJob(NotFound):
    """There is no such job in this practice."""


class JobKey(NamedTuple):
    """One job in one practice."""

    practice_id: int
    job_id: int

    def of(self, table: type[SettleJob | JobChunk | JobItem]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions that select this job's rows of `table`."""
        job_id: Any = table.id if table is SettleJob else table.job_id  # type: ignore[union-attr]
        return (table.practice_id == self.practice_id, job_id == self.job_id)

    def subject(self) -> Subject:
        """Return the job as the subject of an audit entry."""
        return Subject.of("job", self.job_id, practice_id=self.practice_id)

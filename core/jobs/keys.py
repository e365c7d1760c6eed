"""A job's key. The practice comes first, as in every primary key."""

from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, bindparam

from core.access.audit import Subject
from core.errors import NotFound
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import SettleJob


class NoSuchJob(NotFound):
    """There is no such job in this practice."""


_OF_PRACTICE: Final = "of_practice"
_OF_JOB: Final = "of_job"
_Table = type[SettleJob | JobChunk | JobItem]
_Conditions = tuple[ColumnElement[bool], ColumnElement[bool]]


class JobKey(NamedTuple):
    """One job in one practice."""

    practice_id: int
    job_id: int

    def of(self, table: _Table) -> _Conditions:
        """Return the conditions that select this job's rows of `table`."""
        return _select_job(table, self.practice_id, self.job_id)

    @staticmethod
    def of_named(table: _Table) -> _Conditions:
        """Return the conditions that select the rows of the job in a statement's parameters, as in `named()`."""
        return _select_job(table, bindparam(_OF_PRACTICE), bindparam(_OF_JOB))

    def named(self) -> dict[str, int]:
        """Return the parameters of a statement with the conditions of `of_named()`."""
        return {_OF_PRACTICE: self.practice_id, _OF_JOB: self.job_id}

    def subject(self) -> Subject:
        """Return the job as the subject of an audit entry."""
        return Subject.of("job", self.job_id, practice_id=self.practice_id)


def _select_job(table: _Table, practice_id: Any, number: Any) -> _Conditions:
    job_id: Any = table.id if table is SettleJob else table.job_id  # type: ignore[union-attr]
    return (table.practice_id == practice_id, job_id == number)

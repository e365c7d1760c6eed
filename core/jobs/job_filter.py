"""Which jobs to list, for the list of jobs and the search box."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, literal, or_, select
from sqlalchemy.orm import Session, aliased

from core import reading
from core.db.sums import sum_cents
from core.db.text_match import contains, is_named
from core.enums.jobs import JobKind, JobStatus
from core.enums.ledger import REASON_NAMES
from core.errors import BadInput
from core.models.job_items import JobChunk
from core.models.jobs import SettleJob
from core.models.people import User
from core.money import format_cents
from core.practices import practice_days, practice_queries


class BadJobFilter(BadInput):
    """The filter of the jobs is not valid."""


@dataclass(frozen=True)
class JobFilter:
    """A job must match all given keys. Days are in the practice's time zone, inclusive."""

    status: JobStatus | None = None
    name: str | None = None  # a part of it
    kind: JobKind | None = None
    reason: str | None = None  # the code of a practice's reason
    person: int | None = None  # the id of a user who requested, confirmed, decided on or reversed it
    first_day: dt.date | None = None  # requested on or after
    last_day: dt.date | None = None
    amount_min_cents: int | None = None
    amount_max_cents: int | None = None

    def __post_init__(self) -> None:
        """Raise `BadJobFilter` for a range that ends before it begins."""
        if self.first_day and self.last_day and self.last_day < self.first_day:
            fault = "The last day is before the first day."
            raise BadJobFilter(fault, faults={"to": fault})
        least, most = self.amount_min_cents, self.amount_max_cents
        if least is not None and most is not None and most < least:
            fault = f"This is below the minimum, {format_cents(least)}."
            raise BadJobFilter(fault, faults={"amount_max": fault})


ALL_JOBS: Final = JobFilter()


def conditions(session: Session, practice_id: int, f: JobFilter) -> Iterator[ColumnElement[bool]]:
    """Return the WHERE of `f`, including that of the practice."""
    yield SettleJob.practice_id == practice_id
    if f.status is not None:
        yield SettleJob.status == f.status
    if f.name is not None:
        yield contains(SettleJob.name, f.name)
    if f.kind is not None:
        yield SettleJob.kind == f.kind
    if f.reason is not None:
        yield func.coalesce(SettleJob.practice_reason["code"].astext, SettleJob.reason) == f.reason
    if f.person is not None:
        yield _involves(practice_id, select(literal(f.person, BigInteger)))
    practice = practice_queries.find(session, practice_id)
    if f.first_day is not None:
        yield SettleJob.requested_at >= practice_days.day_begins(practice, f.first_day)
    if f.last_day is not None:
        yield SettleJob.requested_at < practice_days.day_bounds(practice, f.last_day)[1]
    if f.amount_min_cents is not None:
        yield _amount() >= f.amount_min_cents
    if f.amount_max_cents is not None:
        yield _amount() <= f.amount_max_cents


def mentions(practice_id: int, text: str, *, cents: int | None) -> ColumnElement[bool]:
    """Return, as SQL, whether `text` is the job's number, or part of its name, a user's name, its reason or note.

    The user requested, confirmed, decided on or reversed the job.

    With `cents`, a job of exactly this amount matches too.
    """
    found = [
        _involves(practice_id, select(User.id).where(User.practice_id == practice_id, is_named(User.name, text))),
        contains(SettleJob.practice_reason["name"].astext, text),
        contains(SettleJob.name, text),
        contains(SettleJob.note, text),
    ]
    # Jobs of earlier versions have only the kind of their reason.
    kinds = [kind for kind, name in REASON_NAMES.items() if text.lower() in name.lower()]
    found.append(and_(SettleJob.practice_reason["name"].astext.is_(None), SettleJob.reason.in_(kinds)))
    number = reading.number(text)
    if number is not None:
        found.append(SettleJob.id == number)
    if cents is not None:
        found.append(_amount() == cents)
    return or_(*found)


def _involves(practice_id: int, users: Select[int]) -> ColumnElement[bool]:
    """Return, as SQL, whether one of the users requested, confirmed, decided on or reversed the job."""
    reversal = aliased(SettleJob, name="reversal")
    reversed_ = select(reversal.reverses_job_id).where(
        reversal.practice_id == practice_id, reversal.confirmed_at.is_not(None), reversal.requested_by.in_(users)
    )
    took_part = (SettleJob.requested_by, SettleJob.confirmed_by, SettleJob.decided_by)
    return or_(*(column.in_(users) for column in took_part), SettleJob.id.in_(reversed_))


def _amount() -> ColumnElement[int]:
    """Return, as SQL, what the job wrote off or restored so far or, before CONFIRM, what its preview shows."""
    of_job = and_(JobChunk.practice_id == SettleJob.practice_id, JobChunk.job_id == SettleJob.id)
    done = select(sum_cents(JobChunk.insurance_cents + JobChunk.patient_cents)).where(of_job)
    insurance, patient = (
        cast(SettleJob.preview[side].astext, BigInteger) for side in ("insurance_cents", "patient_cents")
    )
    return case(
        (SettleJob.confirmed_at.is_not(None), done.correlate(SettleJob).scalar_subquery()), else_=insurance + patient
    )

"""The search box: find a text in the practice's claims, patients and jobs."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, NamedTuple, Self, TypeVar

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from core import reading
from core.claims import filters
from core.claims.claim_filter import ClaimFilter
from core.claims.feed_conditions import use_custom_plans
from core.db import text_match
from core.jobs import job_filter
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.models.practices import Patient
from core.money import BadAmount, parse_amount

CHARACTERS_MIN: Final = 2
CHARACTERS_MAX: Final = 100
ROWS_SHOWN: Final = 8  # of each group, so that all groups fit on a screen
ROWS_LISTED: Final = 200  # of one group that the user asked for
COUNTED_MAX: Final = 1_000  # PostgreSQL stops there, so that a short text is as fast as a long one

_JOB_PREFIX: Final = re.compile(r"^(?:job ?)?#? ?", re.IGNORECASE)

Row = TypeVar("Row")


class Kind(StrEnum):
    """The kinds of rows that a search returns."""

    CLAIMS = "claims"
    AMOUNTS = "amounts"  # claims with exactly the amount
    PATIENTS = "patients"
    JOBS = "jobs"


class ClaimHit(NamedTuple):
    """A claim. Amounts are in cents."""

    claim_id: str
    patient_name: str
    service_date: dt.date
    billing_status: str
    billed: int
    total_due: int


class PatientHit(NamedTuple):
    """A patient. Two patients may have the same name."""

    patient_id: str  # the practice's own
    name: str
    birth_date: dt.date | None


@dataclass(frozen=True)
class Group(Generic[Row]):
    """The first rows of one kind, and the number of all rows. Counting stops at one more than `COUNTED_MAX`."""

    rows: Sequence[Row]
    count: int

    @property
    def has_uncounted(self) -> bool:
        """Return whether there are more rows than were counted."""
        return self.count > COUNTED_MAX


@dataclass(frozen=True)
class Search:
    """A text to find, and the amount and the job that it means, if any. "7", "#7" and "job 7" mean job 7."""

    text: str
    cents: int | None
    job_id: int | None = None

    @classmethod
    def of(cls, typed: str) -> Self | None:
        """Read what a user typed. Return None if it is too short, too long or contains a NUL character."""
        text = " ".join(typed.split())
        job_id = reading.number(_JOB_PREFIX.sub("", text))
        if len(text) > CHARACTERS_MAX or "\x00" in text or (len(text) < CHARACTERS_MIN and job_id is None):
            return None
        return cls(text, _amount(text), job_id)

    def filter_of(self, kind: Kind) -> ClaimFilter:
        """Return the feed's filter for the claims of this kind."""
        return ClaimFilter(amount_cents=self.cents) if kind == Kind.AMOUNTS else ClaimFilter(claim_id_part=self.text)


@dataclass(frozen=True)
class Found:
    """What a search found."""

    claims: Group[ClaimHit]
    amounts: Group[ClaimHit]
    patients: Group[PatientHit]
    jobs: Group[SettleJob]

    @property
    def is_empty(self) -> bool:
        """Return whether nothing was found."""
        return not (self.claims.count or self.amounts.count or self.patients.count or self.jobs.count)


def find(session: Session, practice_id: int, search: Search, *, listed: Kind | None = None) -> Found:
    """Search the practice's claims, patients and jobs. Return up to `ROWS_LISTED` rows of the kind `listed`."""
    use_custom_plans(session)
    is_short = len(search.text) < CHARACTERS_MIN  # a job's number
    dollars_only = search.text.startswith("$")
    return Found(
        claims=Group([], 0) if dollars_only or is_short else _claims_by_number(session, practice_id, search),
        amounts=Group([], 0) if search.cents is None else _claims_by_amount(session, practice_id, search),
        patients=Group([], 0)
        if is_short
        else _patients(session, practice_id, search, limit=_limit(Kind.PATIENTS, listed)),
        jobs=_jobs(session, practice_id, search, limit=_limit(Kind.JOBS, listed)),
    )


def _limit(kind: Kind, listed: Kind | None) -> int:
    return ROWS_LISTED if kind is listed else ROWS_SHOWN


def _amount(text: str) -> int | None:
    """Return the cents of "$1,234.56", "$1234" or "1234.56". A number without "$" and "." is a claim or a job."""
    if "$" not in text and "." not in text:
        return None
    try:
        return parse_amount(text)
    except BadAmount:
        return None


def _claims_by_number(session: Session, practice_id: int, search: Search) -> Group[ClaimHit]:
    """Find claims by any part of their number: the exact number first, then numbers that begin with it."""
    # Reads only the number, so that PostgreSQL reads the unique index instead of the claims.
    numbers = select(Claim.external_id).where(_matches(practice_id, search, Kind.CLAIMS))
    exact = select(Claim.external_id).where(Claim.practice_id == practice_id, Claim.external_id == search.text)
    ordered = session.scalars(numbers.order_by(Claim.external_id).limit(COUNTED_MAX + 1)).all()
    begin = sorted(ordered, key=lambda number: not number.lower().startswith(search.text.lower()))
    found = list(dict.fromkeys([*session.scalars(exact), *begin]))
    shown = found[:ROWS_SHOWN]
    hits = {hit.claim_id: hit for hit in _claim_hits(session, practice_id, Claim.external_id.in_(shown))}
    return Group([hits[number] for number in shown], len(found))


def _claims_by_amount(session: Session, practice_id: int, search: Search) -> Group[ClaimHit]:
    """Find claims whose billed amount or balance is exactly this amount, newest first."""
    ids = session.scalars(
        select(Claim.id).where(_matches(practice_id, search, Kind.AMOUNTS)).limit(COUNTED_MAX + 1)
    ).all()
    return Group(_claim_hits(session, practice_id, Claim.id.in_(ids)), len(ids))


def _matches(practice_id: int, search: Search, kind: Kind) -> ColumnElement[bool]:
    return filters.where(practice_id, search.filter_of(kind), today=dt.date.max)  # no key compares with today


def _claim_hits(session: Session, practice_id: int, which: ColumnElement[bool]) -> Sequence[ClaimHit]:
    total = Claim.insurance_due + Claim.patient_due
    rows = (
        select(Claim.external_id, Patient.name, Claim.service_date, Claim.billing_status, Claim.billed, total)
        .join(Patient, and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id))
        .where(Claim.practice_id == practice_id, which)
        .order_by(Claim.service_date.desc(), Claim.id.desc())
        .limit(ROWS_SHOWN)
    )
    return [ClaimHit(*row) for row in session.execute(rows)]


def _patients(session: Session, practice_id: int, search: Search, *, limit: int) -> Group[PatientHit]:
    """Find patients by the words of their name or by a part of their number: the exact number first, then by name."""
    which = or_(text_match.is_named(Patient.name, search.text), text_match.contains(Patient.external_id, search.text))
    columns = (Patient.external_id, Patient.name, Patient.birth_date)
    found = select(*columns).where(Patient.practice_id == practice_id, which).limit(COUNTED_MAX + 1).subquery()
    order = (found.c.external_id != search.text, found.c.name, found.c.external_id)
    rows = session.execute(select(found).order_by(*order)).all()
    return Group([PatientHit(*row) for row in rows[:limit]], len(rows))


def _jobs(session: Session, practice_id: int, search: Search, *, limit: int) -> Group[SettleJob]:
    """Find jobs by number, name, user, reason, note or amount, newest first."""
    mentioned = SettleJob.id == search.job_id
    if len(search.text) >= CHARACTERS_MIN:
        mentioned = or_(mentioned, job_filter.mentions(practice_id, search.text, cents=search.cents))
    ids = select(SettleJob.id).where(SettleJob.practice_id == practice_id, mentioned).order_by(SettleJob.id.desc())
    found = session.scalars(ids.limit(COUNTED_MAX + 1)).all()
    jobs = select(SettleJob).where(SettleJob.practice_id == practice_id, SettleJob.id.in_(found[:limit]))
    return Group(session.scalars(jobs.order_by(SettleJob.id.desc())).all(), len(found))

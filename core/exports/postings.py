"""Write-offs and their reversals, one row for each posting, ordered by claim, line and posting."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from core import paging, reading
from core.enums.ledger import REASON_NAMES, PostingKind, Responsibility
from core.errors import BadInput
from core.ledger import write_offs
from core.models.claims import Claim, LineItem
from core.models.exports import SentPosting
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.people import User
from core.models.practices import Patient, PracticeReason

ROWS_READ_TOGETHER: Final = 250  # other threads wait while these are read

_ORIGINAL: Final = aliased(Posting, name="original")  # the write-off that a reversal reverses
_OWNER: Final = aliased(SettleJob, name="owner")  # the job that posted the write-off
_SENT: Final = aliased(SentPosting, name="sent")
_KEY: Final = (Posting.claim_id, Posting.line, Posting.id)
_KEY_IN_FILE: Final = (SentPosting.claim_id, SentPosting.line, SentPosting.posting_id)  # its index begins with the file
# What is kept of a sent posting, by column of `SentPosting`. An import may change the last three later.
SENT_VALUES: Final[Mapping[str, Any]] = {
    "practice_id": Posting.practice_id, "claim_id": Posting.claim_id, "line": Posting.line,
    "posting_id": Posting.id.label("posting_id"), "patient_name": Patient.name.label("patient_name"),
    "service_date": Claim.service_date, "procedure_code": LineItem.procedure_code,
}  # fmt: skip
_FACTS: Final = ("patient", "service_date", "procedure_code")

Codes = Mapping[str, list[str]]  # adjustment code and GL account by reason


class BadPostingsFilter(BadInput):
    """The request for write-offs is not valid."""


_Number = Annotated[int, Field(ge=1, lt=10**18), BeforeValidator(reading.whole_number("write a whole number"))]


class PostingsFilter(BaseModel):
    """Filters for write-offs and reversals. Without any, all of the practice's write-offs and reversals match."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    job: Annotated[_Number | None, Field(description="Postings by this job, and later changes to its write-offs")] = (
        None
    )
    posted_from: Annotated[reading.Day | None, Field(description="First posting date")] = None
    posted_through: Annotated[reading.Day | None, Field(description="Last posting date")] = None
    unsent: Annotated[
        bool, Field(description="Only postings that are not in a sent file yet"), BeforeValidator(reading.parse_bool)
    ] = False
    file: Annotated[
        _Number | None, Field(description="Postings in this sent file; not combined with other filters")
    ] = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the filter from texts. Raise `BadPostingsFilter` naming each bad key."""
        try:
            return cls.model_validate(given, context=reading.TEXT_CONTEXT)
        except ValidationError as error:
            faults = reading.faults_by_path(error)
        raise BadPostingsFilter(reading.join_faults(faults), faults=faults)

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.posted_from and self.posted_through and self.posted_from > self.posted_through:
            raise ValueError("the first posting date is after the last one")
        if self.file is not None and self.model_fields_set & {"job", "posted_from", "posted_through", "unsent"}:
            raise ValueError("file can't be combined with other filters")
        return self


@dataclass(frozen=True)
class PostingRow:
    """One write-off or reversal. Negative cents lower the balance."""

    key: tuple[int, int, int]  # claim (internal id), line, posting
    claim_id: str  # the practice's own number
    patient_id: str  # the practice's own number
    patient: str
    service_date: dt.date
    line: int
    procedure_code: str
    responsibility: Responsibility
    kind: PostingKind
    amount_cents: int
    posting_date: dt.date
    reason: str  # the name at the job's preview; for a reversal, the reason of the write-off
    reason_code: str
    adjustment_code: str
    gl_account: str
    job: int | None  # the job that posted it, or whose write-off a late payment changed
    user: str | None  # None: an import or the system
    posting_id: int
    reverses_posting_id: int | None
    posted_at: dt.datetime


class PostingPage(NamedTuple):
    """Rows, and the cursor of the next page if there is one."""

    rows: list[PostingRow]
    next_cursor: str | None


class PostingTotals(NamedTuple):
    """Counts and sums. Cents are above zero."""

    write_offs: int
    reversals: int
    written_off_cents: int
    reversed_cents: int

    @property
    def postings(self) -> int:
        """Return the number of postings."""
        return self.write_offs + self.reversals

    @property
    def net_cents(self) -> int:
        """Return what was written off and not reversed."""
        return self.written_off_cents - self.reversed_cents


def current_codes(session: Session, practice_id: int) -> dict[str, list[str]]:
    """Return the current adjustment code and GL account of each reason."""
    rows = select(PracticeReason.code, PracticeReason.adjustment_code, PracticeReason.gl_account)
    return {code: own for code, *own in session.execute(rows.where(PracticeReason.practice_id == practice_id))}


def page(session: Session, practice_id: int, wanted: PostingsFilter, *, cursor: str | None, limit: int) -> PostingPage:
    """Return a page of rows. Raise `BadCursor`."""
    after = paging.read_cursor(cursor, numbers=3) if cursor else None
    found = _rows(practice_id, wanted).limit(limit + 1)
    if after is not None:
        found = found.where(tuple_(*_order(wanted)) > tuple_(*after))
    if wanted.file is not None:
        found = found.where(Posting.claim_id.between(*_claims_of_page(session, practice_id, wanted, after, limit)))
    codes = current_codes(session, practice_id)
    rows, last = paging.cut([_read(row, codes) for row in session.execute(found)], limit)
    return PostingPage(rows, paging.write_cursor(*last.key) if last else None)


def _claims_of_page(
    session: Session, practice_id: int, wanted: PostingsFilter, after: tuple[int, ...] | None, limit: int
) -> tuple[int, int]:
    """Return the first and last claim of a page of a sent file, because the planner would read the whole file."""
    of_file = (SentPosting.practice_id == practice_id, SentPosting.file_id == wanted.file)
    keys = select(*_KEY_IN_FILE).where(*of_file).order_by(*_KEY_IN_FILE).limit(limit + 1)
    if after is not None:
        keys = keys.where(tuple_(*_KEY_IN_FILE) > tuple_(*after))
    claims = [claim_id for claim_id, *_ in session.execute(keys)]
    return (claims[0], claims[-1]) if claims else (0, 0)


def stream(session: Session, practice_id: int, wanted: PostingsFilter, *, codes: Codes) -> Iterator[PostingRow]:
    """Yield every row of one snapshot, a few in memory at a time.

    `codes` fill in for a job whose reason had no adjustment code or GL account at its preview.
    """
    found = _rows(practice_id, wanted).execution_options(yield_per=ROWS_READ_TOGETHER)
    for row in session.execute(found):
        yield _read(row, codes)


def totals(session: Session, practice_id: int, wanted: PostingsFilter) -> PostingTotals:
    """Return the counts and sums of all rows."""
    found = select(*sums(Posting.kind, Posting.amount_cents)).select_from(Posting)
    return PostingTotals(*map(int, session.execute(narrowed(found, practice_id, wanted)).one()))


def sums(kind: Any, cents: Any) -> tuple[Any, ...]:
    """Return the columns of `PostingTotals` over rows with this kind and amount."""
    is_write_off = kind == PostingKind.WRITE_OFF

    def total(picked: Any) -> Any:
        return func.coalesce(func.sum(func.abs(cents)).filter(picked), 0)

    counts = (func.count().filter(is_write_off), func.count().filter(~is_write_off))
    return (*counts, total(is_write_off), total(~is_write_off))


def joined(found: Select[Any]) -> Select[Any]:
    """Join each posting to its claim, patient and service line."""
    of_line = and_(
        LineItem.practice_id == Posting.practice_id, LineItem.claim_id == Posting.claim_id,
        LineItem.number == Posting.line,
    )  # fmt: skip
    return (
        found.select_from(Posting)
        .join(Claim, and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id))
        .join(Patient, and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id))
        .join(LineItem, of_line)
    )


def narrowed(found: Select[Any], practice_id: int, wanted: PostingsFilter) -> Select[Any]:
    """Join what a reversal reverses, and keep only matching write-offs and their reversals."""
    of_original = and_(
        _ORIGINAL.practice_id == Posting.practice_id, _ORIGINAL.claim_id == Posting.claim_id,
        _ORIGINAL.line == Posting.line, _ORIGINAL.id == Posting.reverses_id,
    )  # fmt: skip
    is_reversal = and_(Posting.kind == PostingKind.REVERSAL, _ORIGINAL.kind == PostingKind.WRITE_OFF)
    if wanted.file is not None:  # a join, because the planner reads the file's rows first
        found = found.join(SentPosting, and_(_is_sent(SentPosting), SentPosting.file_id == wanted.file))
    return found.outerjoin(_ORIGINAL, of_original).where(
        Posting.practice_id == practice_id,
        or_(Posting.kind == PostingKind.WRITE_OFF, is_reversal),
        *_conditions(practice_id, wanted),
    )


def _conditions(practice_id: int, wanted: PostingsFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.job is not None:
        claims = select(JobItem.claim_id).where(JobItem.practice_id == practice_id, JobItem.job_id == wanted.job)
        yield Posting.claim_id.in_(claims)  # uses the index by claim, because postings have none by job
        yield or_(Posting.job_id == wanted.job, Posting.origin_job_id == wanted.job)
    if wanted.posted_from is not None:
        yield Posting.posted_on >= wanted.posted_from
    if wanted.posted_through is not None:
        yield Posting.posted_on <= wanted.posted_through
    if wanted.unsent:
        yield ~exists().where(_is_sent(_SENT))


def _is_sent(sent: Any) -> ColumnElement[bool]:
    return and_(
        sent.practice_id == Posting.practice_id, sent.claim_id == Posting.claim_id, sent.line == Posting.line,
        sent.posting_id == Posting.id,
    )  # fmt: skip


def _rows(practice_id: int, wanted: PostingsFilter) -> Select[Any]:
    owning_job = func.coalesce(write_offs.owning_job(_ORIGINAL), write_offs.owning_job())
    columns = (
        *_KEY, Claim.external_id.label("number"), Patient.external_id.label("patient_number"),
        *_facts(wanted), Posting.responsibility, Posting.kind, Posting.amount_cents, Posting.posted_on,
        _OWNER.reason, _OWNER.practice_reason, write_offs.owning_job().label("job"), User.name.label("user"),
        Posting.reverses_id, Posting.created_at,
    )  # fmt: skip
    of_user = and_(User.practice_id == Posting.practice_id, User.id == Posting.user_id)
    found = joined(select(*columns)).outerjoin(User, of_user)
    of_owner = and_(_OWNER.practice_id == Posting.practice_id, _OWNER.id == owning_job)
    return narrowed(found, practice_id, wanted).outerjoin(_OWNER, of_owner).order_by(*_order(wanted))


def _facts(wanted: PostingsFilter) -> tuple[Any, ...]:
    """Return the patient, date of service and procedure code: those of now, or as sent in the file."""
    live = (Patient.name, Claim.service_date, LineItem.procedure_code)
    sent = (SentPosting.patient_name, SentPosting.service_date, SentPosting.procedure_code)
    columns = live if wanted.file is None else map(func.coalesce, sent, live)
    return tuple(column.label(name) for column, name in zip(columns, _FACTS, strict=True))


def _order(wanted: PostingsFilter) -> tuple[Any, ...]:
    return _KEY if wanted.file is None else _KEY_IN_FILE


def _read(row: Any, codes: Codes) -> PostingRow:
    frozen = row.practice_reason or {}
    reason_code = frozen.get("code") or (row.reason.value if row.reason else "")
    adjustment_code, gl_account = codes.get(reason_code, ("", ""))
    return PostingRow(
        key=(row.claim_id, row.line, row.id),
        claim_id=row.number,
        patient_id=row.patient_number,
        patient=row.patient,
        service_date=row.service_date,
        line=row.line,
        procedure_code=row.procedure_code,
        responsibility=row.responsibility,
        kind=row.kind,
        amount_cents=row.amount_cents,
        posting_date=row.posted_on,
        reason=frozen.get("name") or (REASON_NAMES[row.reason] if row.reason else ""),
        reason_code=reason_code,
        adjustment_code=frozen.get("adjustment_code") or adjustment_code,
        gl_account=frozen.get("gl_account") or gl_account,
        job=row.job,
        user=row.user,
        posting_id=row.id,
        reverses_posting_id=row.reverses_id,
        posted_at=row.created_at,
    )

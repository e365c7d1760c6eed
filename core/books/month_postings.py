"""The postings behind a number of a month's page: the count and the sum of the list are the number."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, literal, or_, select, text, tuple_
from sqlalchemy.orm import Session, aliased

from core import calendar_months
from core.books.month_write_offs import NO_REASON
from core.enums.ledger import REASON_NAMES, PostingKind, Responsibility
from core.errors import NotFound
from core.ledger import remittance_source, write_offs
from core.models.claims import Claim
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.practices import Patient
from core.paging import cut, read_cursor, write_cursor

_ORIGINAL: Final = aliased(Posting, name="original")  # what a reversal reverses
_OWNER: Final = aliased(SettleJob, name="owner")  # the job that posted the write-off


class Part(StrEnum):
    """Postings that a column of the month's page adds up. Their kind alone does not tell them apart."""

    REVERSED_WRITE_OFF = "reversed_write_off"
    VOIDED = "voided"  # payments, adjustments and transfers
    PAYER_REVERSAL = "payer_reversal"  # the same, posted from a remittance
    BY_JOBS = "written_off"
    REVERSED_BY_JOBS = "reversed_by_jobs"
    LATER = "later"  # what later payments, adjustments and transfers reversed and restored of write-offs


@dataclass(frozen=True)
class Wanted:
    """Which postings of a month. None means all."""

    month: dt.date
    kind: PostingKind | Part | None = None
    responsibility: Responsibility | None = None
    reason: str | None = None  # its name
    person: str | None = None  # a code of `month_write_offs`

    @classmethod
    def read(cls, month: dt.date, kind: str, responsibility: str, **group: str | None) -> Self:
        """Read it from an address. Raise `NotFound`."""
        kinds: dict[str, PostingKind | Part] = {one.value: one for one in (*PostingKind, *Part)}
        if kind not in ("", *kinds) or responsibility not in ("", *Responsibility):
            raise NotFound("The month has no such postings.")
        side = Responsibility(responsibility) if responsibility else None
        return cls(month, kinds.get(kind), side, **group)


class PostingsPage(NamedTuple):
    """A page of the postings in the order of their claims, and the number and the sum of all, as in the ledger."""

    rows: list[Any]
    postings: int
    cents: int
    next_cursor: str | None


def page(session: Session, practice_id: int, wanted: Wanted, *, cursor: str | None, limit: int) -> PostingsPage:
    """Return a page of the postings. Raise `BadCursor`."""
    session.execute(text("SELECT set_config('jit', 'off', true)"))
    key = (Posting.claim_id, Posting.line, Posting.id)
    sums = _matching(practice_id, wanted, func.count(), func.coalesce(func.sum(Posting.amount_cents), 0))
    count, cents = session.execute(sums).one()
    found = (
        _matching(
            practice_id, wanted, *key, Posting.posted_on, Posting.responsibility, Posting.amount_cents, Posting.job_id,
            Posting.note, Claim.external_id, Patient.name.label("patient"),
        )
        .join(Claim, and_(Claim.practice_id == practice_id, Claim.id == Posting.claim_id))
        .join(Patient, and_(Patient.practice_id == practice_id, Patient.id == Claim.patient_id))
        .order_by(*key)
    )  # fmt: skip
    if cursor:
        found = found.where(tuple_(*key) > tuple_(*map(literal, read_cursor(cursor, numbers=3))))
    rows, last = cut(session.execute(found.limit(limit + 1)).all(), limit)
    return PostingsPage(rows, count, int(cents), write_cursor(last.claim_id, last.line, last.id) if last else None)


def _matching(practice_id: int, wanted: Wanted, *columns: Any) -> Select[Any]:
    of_month = (Posting.posted_on >= wanted.month, Posting.posted_on < calendar_months.next_month(wanted.month))
    found = select(*columns).select_from(Posting).where(Posting.practice_id == practice_id, *of_month)
    by_job = wanted.reason is not None or wanted.person is not None
    if isinstance(wanted.kind, Part) or by_job:
        of_original = (
            _ORIGINAL.practice_id == Posting.practice_id, _ORIGINAL.claim_id == Posting.claim_id,
            _ORIGINAL.line == Posting.line, _ORIGINAL.id == Posting.reverses_id,
        )  # fmt: skip
        found = found.outerjoin(_ORIGINAL, and_(*of_original))
    if by_job:
        owner = func.coalesce(write_offs.owning_job(_ORIGINAL), write_offs.owning_job())
        found = found.outerjoin(_OWNER, and_(_OWNER.practice_id == practice_id, _OWNER.id == owner))
    return found.where(*_conditions(wanted))


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    if isinstance(wanted.kind, Part):
        found = _of_part(wanted.kind)
    else:
        found = [] if wanted.kind is None else [Posting.kind == wanted.kind]
    if wanted.responsibility is not None:
        found.append(Posting.responsibility == wanted.responsibility)
    if wanted.reason is not None:
        found.append(_reason_name() == wanted.reason)
    if wanted.person is not None:
        found.append(_person_code() == wanted.person)
    return found


def _of_part(part: Part) -> list[ColumnElement[bool]]:
    is_reversal, of_write_off = Posting.kind == PostingKind.REVERSAL, _ORIGINAL.kind == PostingKind.WRITE_OFF
    is_write_off, is_later = Posting.kind == PostingKind.WRITE_OFF, Posting.caused_by_id.is_not(None)
    match part:
        case Part.REVERSED_WRITE_OFF:
            return [is_reversal, of_write_off]
        case Part.VOIDED:
            return [is_reversal, ~of_write_off, ~remittance_source.is_answer()]
        case Part.PAYER_REVERSAL:
            return [is_reversal, ~of_write_off, remittance_source.is_answer()]
        case Part.BY_JOBS:
            return [is_write_off, ~is_later]
        case Part.REVERSED_BY_JOBS:
            return [is_reversal, of_write_off, ~is_later]
        case Part.LATER:
            return [is_later, or_(is_write_off, and_(is_reversal, of_write_off))]


def _reason_name() -> ColumnElement[str]:
    own = func.coalesce(_ORIGINAL.write_off_reason, Posting.write_off_reason)
    built_in = case({reason.value: name for reason, name in REASON_NAMES.items()}, value=cast(own, String))
    return func.coalesce(func.nullif(_OWNER.practice_reason["name"].astext, ""), built_in, literal(NO_REASON))


def _person_code() -> ColumnElement[str]:
    return case(
        (_OWNER.schedule_id.is_not(None), func.concat("schedule-", _OWNER.schedule_id)),
        else_=func.concat("user-", func.coalesce(_OWNER.confirmed_by, 0)),
    )

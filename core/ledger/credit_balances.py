"""The work list of credit balances by line, oldest date of service first.

No job touches a claim with a credit, and credits are never netted. A user reviews each and refunds or transfers it.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlalchemy import (
    Select,
    Subquery,
    Text,
    and_,
    cast,
    exists,
    func,
    literal,
    select,
    true,
    tuple_,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from core import paging, reading
from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.claims import table_files
from core.claims.export import Cell
from core.claims.table_files import Table
from core.enums.ledger import Responsibility
from core.enums.practices import PayerClass
from core.errors import BadInput
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting
from core.models.practices import Patient, Payer
from core.money import CENTS_MAX
from core.practices import names

REFUND_WITHIN: Final = dt.timedelta(days=60)  # from the date of identification: 42 U.S.C. 1320a-7k(d)
REFUNDED_PAYER_CLASSES: Final = frozenset({PayerClass.MEDICARE, PayerClass.MEDICAID, PayerClass.DUAL})
COLUMN_HEADINGS: Final = (
    "Claim ID", "Patient", "Date of Service", "Line", "Service", "Responsibility", "Credit", "Ins/Pt balance",
    "Ins 1", "Ins 1 payer class", "Ins 2", "Ins 2 payer class", "Credit since", "Days",
    "Refund by, if identified today", "Payable to",
)  # fmt: skip


_CursorKey = tuple[dt.date, int, int, str]  # in list order: date of service, claim (internal id), line, responsibility


class BadCreditsFilter(BadInput):
    """The request for credit balances is not valid."""


AtLeastCents = Annotated[int, Field(ge=1, le=CENTS_MAX), BeforeValidator(reading.whole_number(reading.WHOLE_CENTS))]


class CreditsFilter(BaseModel):
    """Filters for credit balances."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    responsibility: Responsibility | None = None
    payer_class: Annotated[PayerClass | None, Field(description="Payer class of Ins 1 or Ins 2")] = None
    at_least_cents: Annotated[AtLeastCents | None, Field(description="Minimum credit on the line")] = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the filter from texts. Raise `BadCreditsFilter` naming each bad key."""
        try:
            return cls.model_validate(given, context=reading.TEXT_CONTEXT)
        except ValidationError as error:
            faults = reading.faults_by_path(error)
            raise BadCreditsFilter(reading.join_faults(faults)) from None


@dataclass(frozen=True)
class Credit:
    """One line and responsibility with a balance below zero. Cents above zero are the credit."""

    claim_id: str  # the practice's own number
    patient_name: str
    service_date: dt.date
    line: int
    procedure_code: str
    responsibility: Responsibility
    credit_cents: int
    claim_due_cents: int  # the claim's balance for this responsibility, all lines together; may be above zero
    payer: str | None  # primary payer
    payer_class: PayerClass | None
    secondary_payer: str | None
    secondary_payer_class: PayerClass | None
    since: dt.date  # date of the posting that brought the balance below zero

    def days(self, today: dt.date) -> int:
        """Return the age of the credit in days: 0 if its posting is dated after today because of a closed month."""
        return max(0, (today - self.since).days)

    @property
    def return_to(self) -> str | None:
        """Return the Medicare or Medicaid payer, primary or secondary, that an overpayment must be returned to."""
        if self.responsibility is Responsibility.PATIENT:
            return None
        payers = ((self.payer, self.payer_class), (self.secondary_payer, self.secondary_payer_class))
        return next((name for name, payer_class in payers if payer_class in REFUNDED_PAYER_CLASSES), None)

    def return_by(self, today: dt.date) -> dt.date | None:
        """Return the refund deadline if the overpayment were identified today, or None for other payers.

        This is information, not legal advice. It covers what Medicare or Medicaid paid, not what a patient paid.
        """
        return today + REFUND_WITHIN if self.return_to is not None else None

    def values_on(self, today: dt.date) -> dict[str, Any]:
        """Return the values that depend on the day, by name."""
        return {"days": self.days(today), "return_by": self.return_by(today), "return_to": self.return_to}


class CreditTotals(NamedTuple):
    """The number of lines with a credit, the number of their claims, and the total."""

    lines: int
    claims: int
    insurance_cents: int
    patient_cents: int


class CreditPage(NamedTuple):
    """A page of credits, and the cursor of the next page (None on the last page)."""

    rows: list[Credit]
    next_cursor: str | None


def page(session: Session, practice_id: int, f: CreditsFilter, *, cursor: str | None = None, limit: int) -> CreditPage:
    """Return at most `limit` credits after `cursor`. Raise `BadCreditsFilter` for an invalid cursor."""
    found = _query(session, practice_id, f, after=_parse_cursor(session, practice_id, cursor) if cursor else None)
    rows = [Credit(**row._mapping) for row in session.execute(found.limit(limit + 1))]
    shown, last = paging.cut(rows, limit)
    return CreditPage(shown, _cursor(last) if last else None)


def totals(session: Session, practice_id: int, f: CreditsFilter) -> CreditTotals:
    """Return the totals of all matching credits."""
    lines = _lines(practice_id, f)

    def of(side: Responsibility) -> Any:
        return func.coalesce(func.sum(lines.c.credit_cents).filter(lines.c.responsibility == side), 0)

    counts = select(
        func.count(), func.count(lines.c.claim_id.distinct()), of(Responsibility.INSURANCE), of(Responsibility.PATIENT)
    )
    return CreditTotals(*map(int, session.execute(counts.select_from(lines)).one()))


def authorize_export(session: Session, *, by: Actor, now: dt.datetime) -> None:
    """Check that `by` may export the credits, and record the export. Raise `NotAllowed`."""
    by.require(Action.SEE_CLAIMS)
    audit.record(session, "credits.downloaded", Subject.practice(by.practice_id), by=by, now=now)


def draw(
    session: Session, practice_id: int, f: CreditsFilter, form: str, *, today: dt.date
) -> Iterator[str] | Iterator[bytes]:
    """Yield all matching credits as `csv` or `xlsx`, in pieces."""
    found = session.execute(_query(session, practice_id, f), execution_options={"yield_per": 1_000})
    rows = (_cells(Credit(**row._mapping), today) for row in found)
    # The balance is the claim's, repeated for each of its lines.
    return table_files.table_file(Table(COLUMN_HEADINGS, rows, unsummed=("Ins/Pt balance",)), form)


def _cells(credit: Credit, today: dt.date) -> list[Cell]:
    return [
        credit.claim_id, credit.patient_name, credit.service_date, str(credit.line), credit.procedure_code,
        credit.responsibility.value, credit.credit_cents, credit.claim_due_cents, credit.payer or "",
        credit.payer_class.value if credit.payer_class else "", credit.secondary_payer or "",
        credit.secondary_payer_class.value if credit.secondary_payer_class else "", credit.since,
        str(credit.days(today)), credit.return_by(today) or "", credit.return_to or "",
    ]  # fmt: skip


def _lines(practice_id: int, f: CreditsFilter) -> Subquery:
    """Return claim_id, number, responsibility, credit_cents, claim_due_cents of every matching credit."""
    rows = [
        select(literal(side.value).label("responsibility"), (-due).label("credit_cents"), claim_due.label("claim_due"))
        .where(due < 0)
        .correlate(LineItem, Claim)
        for side, due, claim_due in (
            (Responsibility.INSURANCE, LineItem.insurance_due, Claim.insurance_due),
            (Responsibility.PATIENT, LineItem.patient_due, Claim.patient_due),
        )
        if f.responsibility in (None, side)
    ]
    sides = union_all(*rows).lateral("side")
    of_claim = and_(LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id)
    lines = (
        select(
            Claim.id.label("claim_id"),
            LineItem.number,
            sides.c.responsibility,
            sides.c.credit_cents,
            sides.c.claim_due,
        )
        .join_from(Claim, LineItem, of_claim)
        .join(sides, true())
        .where(Claim.practice_id == practice_id, Claim.has_credit_line)
    )
    if f.payer_class is not None:
        payers = (
            Payer.practice_id == Claim.practice_id,
            Payer.id.in_([Claim.primary_payer_id, Claim.secondary_payer_id]),
        )
        lines = lines.where(exists().where(*payers, Payer.payer_class == f.payer_class))
    if f.at_least_cents is not None:
        lines = lines.where(sides.c.credit_cents >= f.at_least_cents)
    return lines.subquery("credit")


def _query(session: Session, practice_id: int, f: CreditsFilter, *, after: _CursorKey | None = None) -> Select[Any]:
    credit = _lines(practice_id, f)
    payer, secondary = aliased(Payer, name="primary_payer"), aliased(Payer, name="secondary_payer")
    since = _since(practice_id, credit)
    shown = names.shown_names(session, practice_id, Payer)
    of_line = and_(
        LineItem.practice_id == practice_id,
        LineItem.claim_id == credit.c.claim_id,
        LineItem.number == credit.c.number,
    )
    order = (Claim.service_date, Claim.id, credit.c.number, credit.c.responsibility)
    found = (
        select(
            Claim.external_id.label("claim_id"),
            Patient.name.label("patient_name"),
            Claim.service_date,
            LineItem.number.label("line"),
            LineItem.procedure_code,
            type_coerce(credit.c.responsibility, Posting.responsibility.type).label("responsibility"),
            credit.c.credit_cents,
            credit.c.claim_due.label("claim_due_cents"),
            shown.of(Payer, payer).label("payer"),
            payer.payer_class,
            shown.of(Payer, secondary).label("secondary_payer"),
            secondary.payer_class.label("secondary_payer_class"),
            since.c.since,
        )
        .join_from(credit, Claim, and_(Claim.practice_id == practice_id, Claim.id == credit.c.claim_id))
        .join(LineItem, of_line)
        .join(Patient, and_(Patient.practice_id == practice_id, Patient.id == Claim.patient_id))
        .outerjoin(payer, and_(payer.practice_id == practice_id, payer.id == Claim.primary_payer_id))
        .outerjoin(secondary, and_(secondary.practice_id == practice_id, secondary.id == Claim.secondary_payer_id))
        .join(since, true())
        .order_by(*order)
    )
    return found if after is None else found.where(tuple_(*order) > tuple_(*map(literal, after)))


def _since(practice_id: int, credit: Subquery) -> Any:
    """Return the date of the posting that last brought the line below zero."""
    running = (
        select(
            Posting.id,
            Posting.posted_on,
            func.sum(Posting.amount_cents).over(order_by=Posting.id).label("due"),
        )
        .where(
            Posting.practice_id == practice_id,
            Posting.claim_id == credit.c.claim_id,
            Posting.line == credit.c.number,
            cast(Posting.responsibility, Text) == credit.c.responsibility,
        )
        .correlate(credit)
        .subquery("running")
    )
    still = func.count().filter(running.c.due >= 0).over(order_by=running.c.id.desc()).label("above_since")
    marked = select(running.c.id, running.c.posted_on, still).subquery("marked")
    first = select(marked.c.posted_on.label("since")).where(marked.c.above_since == 0).order_by(marked.c.id).limit(1)
    return first.lateral("since")


def _cursor(credit: Credit) -> str:
    return f"{credit.line}.{credit.responsibility.value}.{credit.claim_id}"


def _parse_cursor(session: Session, practice_id: int, cursor: str) -> _CursorKey:
    line, _, rest = cursor.partition(".")
    side, _, claim_id = rest.partition(".")
    found = select(Claim.service_date, Claim.id).where(Claim.practice_id == practice_id, Claim.external_id == claim_id)
    claim = session.execute(found).one_or_none()
    is_ours = line.isascii() and line.isdigit() and len(line) <= 5 and side in set(Responsibility)  # noqa: PLR2004
    if claim is None or not is_ours:
        raise BadCreditsFilter("cursor: use next_cursor from the previous page, unchanged")
    return claim.service_date, claim.id, int(line), side

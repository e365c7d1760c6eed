"""What each sort order of the feed compares: one expression for each column, and the tables that it reads."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVarTuple

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, case, cast, func, literal, or_
from sqlalchemy.orm import aliased

from core.claims import answers
from core.claims.age_buckets import age_date
from core.claims.feed_conditions import ELIGIBILITY, eligibility
from core.db.bounds import BIGINT_MAX
from core.enums.claims import ClaimStatus
from core.enums.practices import SELF_PAY
from core.models.claims import Claim, LineItem
from core.models.practices import Office, Patient, Payer, Provider
from core.policy.facts import PAYER, PROVIDER
from core.policy.rules import CAN_SETTLE
from core.policy.terms import Terms

Columns = TypeVarTuple("Columns")

SUPERVISING: Final = aliased(Provider)
SECONDARY: Final = aliased(Payer)
FIRST_LINE: Final = aliased(LineItem)

# Empty cells come last in both directions. They compare as these values: above all others, and below all others.
_ABOVE: Final[dict[type, Any]] = {str: chr(0x10FFFF), int: BIGINT_MAX, dt.date: dt.date.max}
_BELOW: Final[dict[type, Any]] = {str: "", int: -BIGINT_MAX, dt.date: dt.date.min}


class SortBy(StrEnum):
    """The keys that the feed can be sorted by."""

    RECENT = "recent"  # date of service, newest first, with future dates after all others
    DATE = "date"  # date of service
    AGE = "age"  # days since the date of service or the first bill
    CLAIM = "claim"
    PATIENT = "patient"
    OFFICE = "office"
    SUPERVISING_PROVIDER = "supervising_provider"
    BILLING_PROVIDER = "billing_provider"
    BILLED = "billed"
    ALLOWED = "allowed"
    ADJUSTMENT = "adjustment"
    PRIMARY_PAID = "primary_paid"
    SECONDARY_PAID = "secondary_paid"
    PATIENT_PAID = "patient_paid"
    WRITTEN_OFF = "written_off"
    INSURANCE_DUE = "insurance_due"
    PATIENT_DUE = "patient_due"
    TOTAL_DUE = "total_due"
    EXPECTED = "expected"
    PRIMARY_PAYER = "primary_payer"
    PRIMARY_STATUS = "primary_status"
    SECONDARY_PAYER = "secondary_payer"
    SECONDARY_STATUS = "secondary_status"
    FIRST_EDI = "first_edi"
    LAST_EDI = "last_edi"
    LAST_STATEMENT = "last_statement"
    STATEMENTS_SENT = "statements_sent"
    DENIED = "denied_on"
    DENIAL = "denial_carc"
    LAST_ANSWER = "last_answer_on"
    ANSWER_STATUS = "last_answer_status"
    NO_ANSWER = "no_answer_days"
    PAYER_CLAIM_NUMBER = "payer_claim_number"
    SERVICE = "service"  # procedure code of the first line
    BILLING_STATUS = "billing_status"
    ELIGIBILITY = "eligibility"  # can settle first, then in the order of the rules


@dataclass(frozen=True)
class SortKey:
    """What to compare. `field` is the row's value that a cursor holds; without it, the value is looked up."""

    column: Callable[[Terms], ColumnElement[Any]]
    type: type = int
    field: str | None = None
    nullable: bool = False
    join: Callable[[Select[Any]], Select[Any]] | None = None
    reads_payers: bool = False  # the query must select from `facts.claims_with_payers()`

    def expression(self, terms: Terms, *, descending: bool) -> ColumnElement[Any]:
        """Return the column to compare, with a value in place of NULL."""
        column = self.column(terms)
        if not self.nullable:
            return column
        return func.coalesce(column, literal(self.empty(descending=descending), column.type))

    def empty(self, *, descending: bool) -> Any:
        """Return the value that NULL compares as."""
        return (_BELOW if descending else _ABOVE)[self.type]


def _of_claim(column: Any, kind: type = int, *, nullable: bool = False) -> SortKey:
    return SortKey(lambda _: column.expression, kind, column.key if kind is not str else None, nullable)


def _joined(table: Any, key: Any, column: Any, *, nullable: bool = False) -> SortKey:
    def join(query: Select[Any]) -> Select[Any]:
        on = and_(table.practice_id == Claim.practice_id, table.id == key)
        return query.join(table, on, isouter=nullable)

    return SortKey(lambda _: column.expression, str, nullable=nullable, join=join)


def _join_first_line(query: Select[Any]) -> Select[Any]:
    line = FIRST_LINE
    on = and_(line.practice_id == Claim.practice_id, line.claim_id == Claim.id, line.number == 1)
    return query.join(line, on, isouter=True)


def _status(payer: Any, status: Any) -> SortKey:
    # As shown: a status without an insurance is a leftover.
    is_empty = or_(payer.is_(None), status == ClaimStatus.NONE)
    return SortKey(lambda _: case((is_empty, None), else_=cast(status, Text)), str, nullable=True)


def _rank(terms: Terms) -> ColumnElement[int]:
    code = func.coalesce(eligibility(terms), literal(CAN_SETTLE))
    return case({code_: rank for rank, code_ in enumerate(ELIGIBILITY)}, value=code)


_TOTAL: Final = Claim.insurance_due + Claim.patient_due
_WRITTEN_OFF: Final = (
    Claim.billed - Claim.adjustment - Claim.primary_paid - Claim.secondary_paid - Claim.patient_paid - _TOTAL
)
_SERVICE_DATE: Final = SortKey(lambda _: Claim.service_date.expression, dt.date, "service_date")

SORT_KEYS: Final[dict[SortBy, SortKey]] = {
    SortBy.RECENT: _SERVICE_DATE,
    SortBy.DATE: _SERVICE_DATE,
    SortBy.AGE: SortKey(lambda terms: age_date(terms.age_basis), dt.date),
    SortBy.CLAIM: _of_claim(Claim.external_id, str),
    SortBy.PATIENT: _joined(Patient, Claim.patient_id, Patient.name),
    SortBy.OFFICE: _joined(Office, Claim.office_id, Office.name),
    SortBy.SUPERVISING_PROVIDER: _joined(SUPERVISING, Claim.supervising_provider_id, SUPERVISING.name, nullable=True),
    SortBy.BILLING_PROVIDER: SortKey(lambda _: PROVIDER.c.name, str, reads_payers=True),
    SortBy.BILLED: _of_claim(Claim.billed),
    SortBy.ALLOWED: _of_claim(Claim.allowed, nullable=True),
    SortBy.ADJUSTMENT: _of_claim(Claim.adjustment),
    SortBy.PRIMARY_PAID: _of_claim(Claim.primary_paid),
    SortBy.SECONDARY_PAID: _of_claim(Claim.secondary_paid),
    SortBy.PATIENT_PAID: _of_claim(Claim.patient_paid),
    SortBy.WRITTEN_OFF: SortKey(lambda _: _WRITTEN_OFF, field="written_off"),
    SortBy.INSURANCE_DUE: _of_claim(Claim.insurance_due),
    SortBy.PATIENT_DUE: _of_claim(Claim.patient_due),
    SortBy.TOTAL_DUE: SortKey(lambda _: _TOTAL, field="total_due"),
    SortBy.EXPECTED: _of_claim(Claim.expected, nullable=True),
    SortBy.PRIMARY_PAYER: SortKey(lambda _: func.coalesce(PAYER.c.name, SELF_PAY), str, reads_payers=True),
    SortBy.PRIMARY_STATUS: _status(Claim.primary_payer_id, Claim.primary_status),
    SortBy.SECONDARY_PAYER: _joined(SECONDARY, Claim.secondary_payer_id, SECONDARY.name, nullable=True),
    SortBy.SECONDARY_STATUS: _status(Claim.secondary_payer_id, Claim.secondary_status),
    SortBy.FIRST_EDI: _of_claim(Claim.first_edi_on, dt.date, nullable=True),
    SortBy.LAST_EDI: _of_claim(Claim.last_edi_on, dt.date, nullable=True),
    SortBy.LAST_STATEMENT: _of_claim(Claim.last_statement_on, dt.date, nullable=True),
    # As a bigint, because an empty cell compares as one.
    SortBy.STATEMENTS_SENT: SortKey(lambda _: cast(Claim.statements_sent, BigInteger), int, "statements_sent", True),
    SortBy.DENIED: _of_claim(Claim.denied_on, dt.date, nullable=True),
    SortBy.DENIAL: _of_claim(Claim.denial_carc, str, nullable=True),
    SortBy.LAST_ANSWER: _of_claim(Claim.last_answer_on, dt.date, nullable=True),
    SortBy.ANSWER_STATUS: _of_claim(Claim.last_answer_status, str, nullable=True),
    SortBy.NO_ANSWER: SortKey(lambda terms: answers.days_without(terms.as_of), field="no_answer_days", nullable=True),
    SortBy.PAYER_CLAIM_NUMBER: _of_claim(Claim.payer_claim_number, str, nullable=True),
    SortBy.SERVICE: SortKey(lambda _: FIRST_LINE.procedure_code.expression, str, nullable=True, join=_join_first_line),
    SortBy.BILLING_STATUS: _of_claim(Claim.billing_status, str),
    SortBy.ELIGIBILITY: SortKey(_rank, reads_payers=True),
}

"""Control totals of staged rows, to compare with the office's own reports before anything is in the books."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select, true
from sqlalchemy.orm import Session

from core.counting import counted
from core.db.sums import sum_cents
from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.errors import Refusal
from core.intake.loading import stages
from core.models.practices import Patient
from core.money import format_cents

FIRST_CLAIMS: Final = 10  # enough to compare a few with the office's screen
_STAGE: Final = stages.POSTING
_INSURERS: Final = (PaidBy.PRIMARY.value, PaidBy.SECONDARY.value)
_IS_PAYMENT: Final = _STAGE.c.kind == PostingKind.PAYMENT.value
_IS_PAID: Final = _STAGE.c.amount_cents < 0
# Which postings count, and their positive cents.
POSTING_TOTALS: Final[Mapping[str, tuple[ColumnElement[bool], ColumnElement[int]]]] = {
    "charges": (_STAGE.c.kind == PostingKind.CHARGE.value, _STAGE.c.amount_cents),
    "insurance_payments": (and_(_IS_PAYMENT, _IS_PAID, _STAGE.c.paid_by.in_(_INSURERS)), -_STAGE.c.amount_cents),
    **{
        f"{payer.value}_payments": (
            and_(_IS_PAYMENT, _IS_PAID, _STAGE.c.paid_by == payer.value),
            -_STAGE.c.amount_cents,
        )
        for payer in PaidBy
    },
    "refunds": (and_(_IS_PAYMENT, ~_IS_PAID), _STAGE.c.amount_cents),
    "adjustments": (_STAGE.c.kind == PostingKind.ADJUSTMENT.value, -_STAGE.c.amount_cents),
    "transfers": (and_(_STAGE.c.kind == PostingKind.TRANSFER.value, ~_IS_PAID), _STAGE.c.amount_cents),
}
TRANSFERS: Final = "transfers"
DERIVED_TRANSFERS: Final = (
    "Derived: not in your file. They move the patient's share, so that both balances agree. A write-off among your "
    "file's adjustments makes this share smaller."
)
# In the order of an A/R report.
TOTAL_LABELS: Final = (
    ("charges", "Charges"),
    ("insurance_payments", "Insurance payments"),
    ("primary_payments", "from Ins 1"),
    ("secondary_payments", "from Ins 2"),
    ("patient_payments", "Patient payments"),
    ("refunds", "Refunds"),
    ("adjustments", "Adjustments"),
    (TRANSFERS, "Transfers"),
)


PART_LABELS: Final = ("from Ins 1", "from Ins 2")  # of the insurance payments


class ControlTotal(NamedTuple):
    """A count and a sum. Cents are positive unless corrections outweigh the rest."""

    number: int = 0
    cents: int = 0


@dataclass(frozen=True)
class ControlTotals:
    """The totals of the staged rows. A balance is the sum of their postings, including credits."""

    claims: int
    lines: int
    postings: int
    charges: ControlTotal
    insurance_payments: ControlTotal
    primary_payments: ControlTotal  # part of the insurance payments, like the next
    secondary_payments: ControlTotal
    patient_payments: ControlTotal
    refunds: ControlTotal
    adjustments: ControlTotal
    transfers: ControlTotal
    insurance_balance_cents: int
    patient_balance_cents: int
    credit: ControlTotal  # lines with a balance below zero, by responsibility, in positive cents
    first_service_date: dt.date | None
    last_service_date: dt.date | None
    first_posting_date: dt.date | None
    last_posting_date: dt.date | None

    @property
    def total_cents(self) -> int:
        """Return the A/R total: both balances, net of credits."""
        return self.insurance_balance_cents + self.patient_balance_cents

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON, with the A/R total."""
        facts = {name: _as_json(value) for name, value in vars(self).items()}
        return {**facts, "total_cents": self.total_cents}


def without_derived(in_file: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the totals of an office's own file, which has no transfers, without those that the import derived."""
    derived = in_file[TRANSFERS]["number"]
    postings = in_file["postings"] - 2 * derived  # a transfer is two postings
    return {**in_file, "postings": postings, TRANSFERS: {"number": None, "cents": None}}


@dataclass(frozen=True)
class FirstClaim:
    """A claim in the file, with its balances according to the file, to compare with the office's screen."""

    claim_id: str
    patient_id: str
    service_date: dt.date
    charge_cents: int
    insurance_due_cents: int
    patient_due_cents: int
    patient: str = field(repr=False)  # for readers who may see names

    def facts(self) -> dict[str, Any]:
        """Return it as JSON, without the name."""
        return {name: _as_json(value) for name, value in asdict(self).items() if name != "patient"}


class ExpectedTotalDiffers(Refusal):
    """The files' A/R total differs from the expected one. Nothing was imported."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


def check_expected_total(totals: ControlTotals, expected_cents: int | None) -> None:
    """Raise `ExpectedTotalDiffers` if the A/R total differs from the expected one."""
    if expected_cents is None or totals.total_cents == expected_cents:
        return
    difference = totals.total_cents - expected_cents
    credit = ""
    if totals.credit.number:
        credits_ = counted(totals.credit.number, "credit balance")
        credit = f" The files' total is net of {credits_}: {format_cents(totals.credit.cents)}."
    raise ExpectedTotalDiffers(
        f"The files' A/R total is {format_cents(totals.total_cents)}, not {format_cents(expected_cents)}. The "
        f"difference is {format_cents(difference)}.{credit} Nothing was imported.",
        total_cents=totals.total_cents,
        expected_cents=expected_cents,
        difference_cents=difference,
    )


def control_totals(session: Session) -> ControlTotals:
    """Return the totals of everything staged now. Call `sum_lines` first."""
    claims, first_service, last_service, lines, *rest = session.execute(_totals()).one()
    credit, postings, parts = rest[:2], rest[2], rest[3:]
    return ControlTotals(
        claims=claims,
        lines=lines,
        postings=postings,
        **named_parts(parts),
        insurance_balance_cents=parts[-4],
        patient_balance_cents=parts[-3],
        credit=ControlTotal(*credit),
        first_service_date=first_service,
        last_service_date=last_service,
        first_posting_date=parts[-2],
        last_posting_date=parts[-1],
    )


@cache
def _totals() -> Select[Any]:
    """Return one statement with the totals of all stages."""
    of, claim = _STAGE.c, stages.CLAIM.c
    services = select(func.count(), func.min(claim.service_date), func.max(claim.service_date))
    sides = (stages.LINE_SUM.c.insurance_due, stages.LINE_SUM.c.patient_due)
    numbers = [func.count().filter(due < 0) for due in sides]
    owed = [sum_cents(-due, due < 0) for due in sides]
    insurance = of.responsibility == Responsibility.INSURANCE.value
    postings = select(
        func.count(), *sums_of_parts(), sum_cents(of.amount_cents, insurance), sum_cents(of.amount_cents, ~insurance),
        func.min(of.posted_on), func.max(of.posted_on),
    )  # fmt: skip
    rows = [
        services.select_from(stages.CLAIM).subquery("of_claims"),
        select(func.count()).select_from(stages.LINE).subquery("of_lines"),
        select(numbers[0] + numbers[1], owed[0] + owed[1]).select_from(stages.LINE_SUM).subquery("credits"),
        postings.select_from(_STAGE).subquery("of_postings"),
    ]
    return select(*(column for row in rows for column in row.c)).select_from(
        rows[0].join(rows[1], true()).join(rows[2], true()).join(rows[3], true())
    )


def sums_of_parts() -> list[ColumnElement[Any]]:
    """Return the count and the cents of each of `POSTING_TOTALS`."""
    return [
        column
        for condition, amount in POSTING_TOTALS.values()
        for column in (func.count().filter(condition), sum_cents(amount, condition))
    ]


def named_parts(sums: Any) -> dict[str, Any]:
    """Return the values of `sums_of_parts` by name."""
    return {name: ControlTotal(*sums[2 * n : 2 * n + 2]) for n, name in enumerate(POSTING_TOTALS)}


def first_claims(session: Session, practice_id: int) -> list[FirstClaim]:
    """Return the first claims in the file, with their balances according to the file."""
    claim, of = stages.CLAIM.c, _STAGE.c
    first = select(claim.at, claim.external_id, claim.patient, claim.service_date).order_by(claim.at)
    top = first.limit(FIRST_CLAIMS).subquery("top")
    here = select(Patient.name).where(Patient.practice_id == practice_id, Patient.external_id == top.c.patient)
    staged = select(func.min(stages.PATIENT.c.name)).where(stages.PATIENT.c.external_id == top.c.patient)
    insurance = of.responsibility == Responsibility.INSURANCE.value
    rows = (
        select(
            top.c.external_id, top.c.patient, top.c.service_date,
            sum_cents(of.amount_cents, of.kind == PostingKind.CHARGE.value), sum_cents(of.amount_cents, insurance),
            sum_cents(of.amount_cents, ~insurance),
            func.coalesce(staged.scalar_subquery(), here.scalar_subquery(), ""),
        )
        .outerjoin(_STAGE, of.claim == top.c.external_id)
        .group_by(top.c.at, top.c.external_id, top.c.patient, top.c.service_date)
        .order_by(top.c.at)
    )  # fmt: skip
    return [FirstClaim(*row) for row in session.execute(rows)]


def _as_json(value: Any) -> Any:
    if isinstance(value, ControlTotal):
        return value._asdict()
    return value.isoformat() if isinstance(value, dt.date) else value

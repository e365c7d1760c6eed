"""Summarize an import: control totals in dollars, possible duplicate payments, and credit balances."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, literal, select, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from core.db.sums import sum_cents
from core.enums.ledger import PostingKind, Responsibility
from core.intake.loading import stages
from core.intake.loading.totals import POSTING_TOTALS, ControlTotal, ControlTotals, named_parts, sums_of_parts
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting

EXAMPLES_MAX: Final = 20  # in each list, so that a large import stays readable; the sums include all
_STAGE: Final = stages.POSTING


class LookAlike(NamedTuple):
    """A payment with the same claim, line, payer, amount and date as another payment."""

    line_of_file: int
    posting_id: str
    other_id: str | None  # None: entered manually
    claim_id: str
    line: int
    paid_by: str
    amount_cents: int  # negative for a payment, positive for a refund
    posted_on: str


class CreditBalance(NamedTuple):
    """A line and responsibility with a credit balance, in positive cents."""

    claim_id: str
    line: int
    responsibility: str
    cents: int


@dataclass(frozen=True)
class Summary:
    """The result of an import in numbers. `look_alikes` and `credits` list the first ones only."""

    charges: ControlTotal
    insurance_payments: ControlTotal
    primary_payments: ControlTotal
    secondary_payments: ControlTotal
    patient_payments: ControlTotal
    refunds: ControlTotal
    adjustments: ControlTotal
    transfers: ControlTotal
    insurance_balance_cents: int  # of the imported claims, after the import
    patient_balance_cents: int
    look_alike: ControlTotal
    look_alikes: list[LookAlike]
    credit: ControlTotal
    credits: list[CreditBalance]

    def facts(self) -> dict[str, Any]:
        """Return all of it as JSON."""
        facts = asdict(self)
        for name, value in facts.items():
            if isinstance(value, ControlTotal):
                facts[name] = value._asdict()
            elif isinstance(value, list):
                facts[name] = [one._asdict() for one in value]
        return facts


def look_alikes(session: Session, practice_id: int) -> tuple[ControlTotal, list[LookAlike]]:
    """Return the staged payments that equal an earlier one, in the file or in the practice, under a different id.

    They are posted anyway, because two identical payments on one day can be genuine. Call it before they are inserted.
    """
    found = union_all(_payments_like_posted(practice_id), _payments_like_staged()).subquery("found")
    # A payment that equals several others counts once.
    first = (
        select(found)
        .ext(distinct_on(found.c.line_of_file))
        .order_by(found.c.line_of_file, found.c.is_staged, found.c.other_id)
        .subquery("first")
    )
    total = ControlTotal(
        *session.execute(select(func.count(), sum_cents(-first.c.amount_cents)).select_from(first)).one()
    )  # fmt: skip
    if not total.number:
        return total, []
    names = [first.c[name] for name in LookAlike._fields]
    rows = session.execute(select(*names).order_by(first.c.line_of_file).limit(EXAMPLES_MAX))
    return total, [LookAlike(*row) for row in rows]


def summarize(
    session: Session,
    practice_id: int,
    alike: tuple[ControlTotal, list[LookAlike]],
    new_claims: ControlTotals | None = None,
) -> Summary:
    """Return the summary of the staged rows after they were inserted.

    `new_claims` are their totals if every row is on a new claim. The balances are then not read from the practice.
    """
    if new_claims is None:
        credit, credits_ = _credits(session, _existing_credits(practice_id))
        parts = named_parts(session.execute(select(*sums_of_parts()).select_from(_STAGE)).one())
        insurance, patient = _balances(session, practice_id)
    else:
        credit, credits_ = _credits(session, _staged_credits())
        parts = {name: getattr(new_claims, name) for name in POSTING_TOTALS}
        insurance, patient = new_claims.insurance_balance_cents, new_claims.patient_balance_cents
    return Summary(
        **parts,
        insurance_balance_cents=insurance,
        patient_balance_cents=patient,
        look_alike=alike[0],
        look_alikes=alike[1],
        credit=credit,
        credits=credits_,
    )


def _payments_like_posted(practice_id: int) -> Select[Any]:
    """Return staged payments that equal one of the practice's."""
    equal = and_(
        Posting.practice_id == practice_id,
        Posting.claim_id == Claim.id,
        Posting.line == _STAGE.c.line,
        cast(Posting.kind, Text) == PostingKind.PAYMENT.value,
        cast(Posting.paid_by, Text) == _STAGE.c.paid_by,
        Posting.amount_cents == _STAGE.c.amount_cents,
        Posting.posted_on == _STAGE.c.posted_on,
    )
    # A manual posting's id is a digest, which means nothing to users.
    other_id = case((Posting.source != "entry", Posting.source_id))
    return (
        _look_alike_columns(_STAGE, other_id, staged=False)
        .join(Claim, and_(Claim.practice_id == practice_id, Claim.external_id == _STAGE.c.claim))
        .join(Posting, equal)
    )


def _payments_like_staged() -> Select[Any]:
    """Return staged payments that equal an earlier row of the file."""
    key = [_STAGE.c[name] for name in ("claim", "line", "paid_by", "amount_cents", "posted_on")]
    first_id = func.first_value(_STAGE.c.source_id).over(partition_by=key, order_by=_STAGE.c.at).label("first_id")
    nth = func.row_number().over(partition_by=key, order_by=_STAGE.c.at).label("nth")
    payments = select(_STAGE, first_id, nth).where(_STAGE.c.kind == PostingKind.PAYMENT.value).subquery("payment")
    return _look_alike_columns(payments, payments.c.first_id, staged=True).where(payments.c.nth > 1)


def _look_alike_columns(rows: Any, other_id: ColumnElement[Any], *, staged: bool) -> Select[Any]:
    of = rows.c
    return select(
        of.at.label("line_of_file"),
        of.source_id.label("posting_id"),
        other_id.label("other_id"),
        of.claim.label("claim_id"),
        of.line,
        of.paid_by,
        of.amount_cents,
        cast(of.posted_on, Text).label("posted_on"),
        literal(staged).label("is_staged"),
    ).where(of.kind == PostingKind.PAYMENT.value)


def _imported_claim_ids(practice_id: int) -> Select[Any]:
    """Return the ids of the imported claims."""
    named = select(stages.CLAIM.c.external_id).union(select(_STAGE.c.claim)).subquery("named")
    return select(Claim.id).join(named, and_(Claim.practice_id == practice_id, Claim.external_id == named.c[0]))


def _balances(session: Session, practice_id: int) -> tuple[int, int]:
    sums = select(sum_cents(Claim.insurance_due), sum_cents(Claim.patient_due))
    row = session.execute(
        sums.where(Claim.practice_id == practice_id, Claim.id.in_(_imported_claim_ids(practice_id)))
    ).one()
    return row[0], row[1]


def _credits(session: Session, sides: Sequence[Select[*tuple[Any, ...]]]) -> tuple[ControlTotal, list[CreditBalance]]:
    """Return the count and the sum of all credit balances, and the first ones."""
    found = union_all(*sides).subquery("credit")
    order = (found.c.claim_id, found.c.line, found.c.responsibility)
    all_of_them = func.count().over(), sum_cents(found.c.cents).over()
    rows = session.execute(select(*all_of_them, found).order_by(*order).limit(EXAMPLES_MAX)).all()
    return ControlTotal(*rows[0][:2]) if rows else ControlTotal(), [CreditBalance(*row[2:]) for row in rows]


def _staged_credits() -> Sequence[Select[*tuple[Any, ...]]]:
    """Return the credit balances of the staged lines, all of which are new."""
    sums = stages.LINE_SUM.c
    return [
        select(
            sums.claim_id.label("claim_id"),
            sums.line.label("line"),
            literal(side.value).label("responsibility"),
            (-due).label("cents"),
        ).where(due < 0)
        for side, due in (
            (Responsibility.INSURANCE, sums.insurance_due),
            (Responsibility.PATIENT, sums.patient_due),
        )
    ]


def _existing_credits(practice_id: int) -> Sequence[Select[*tuple[Any, ...]]]:
    """Return the credit balances on the imported claims, including those that the import did not change."""
    return [
        select(
            Claim.external_id.label("claim_id"),
            LineItem.number.label("line"),
            literal(side.value).label("responsibility"),
            (-due).label("cents"),
        )
        .join(Claim, and_(Claim.practice_id == LineItem.practice_id, Claim.id == LineItem.claim_id))
        .where(LineItem.practice_id == practice_id, Claim.has_credit_line, due < 0)
        .where(Claim.id.in_(_imported_claim_ids(practice_id)))
        for side, due in (
            (Responsibility.INSURANCE, LineItem.insurance_due),
            (Responsibility.PATIENT, LineItem.patient_due),
        )
    ]

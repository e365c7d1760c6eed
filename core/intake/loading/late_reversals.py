"""Lines on which an export contains a late payment together with the office's own reversal of the write-off.

When the payment is posted, `core.ledger.late_payments` reverses the write-off. If the office's reversal were posted
too, it would restore the write-off, and the ledger would have fewer adjustments than the export.
"""

from typing import Any, Final

from sqlalchemy import CTE, BigInteger, Select, Text, and_, case, cast, func, literal, select, tuple_, union_all

from core.enums.ledger import Responsibility
from core.ledger import write_offs
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting

_PLACE: Final = ("claim", "line", "side")


def lines_with_late_reversals(practice_id: int, due: CTE, entries: CTE) -> Select[Any]:
    """Return the claim and line where all but the payments changed by what is due, including late reversals."""
    late = _late_reversals(practice_id, due, entries).cte("late")
    every = union_all(
        select(*late.c),
        select(*(due.c[name] for name in _PLACE), due.c.cents).where(~due.c.paid),
        select(*(entries.c[name] for name in _PLACE), -entries.c.cents).where(~entries.c.paid),
    ).subquery("every")
    line = (every.c.claim, every.c.line)
    uneven = select(*line).group_by(*line, every.c.side).having(func.sum(every.c.cents) != 0)
    return select(late.c.claim, late.c.line).where(tuple_(late.c.claim, late.c.line).not_in(uneven))


def _late_reversals(practice_id: int, due: CTE, entries: CTE) -> Select[Any]:
    """Return claim, line, side and the cents of write-offs that the changed payments will reverse.

    A place is left out if a payment was entered there manually and is not in an export yet, because only a part of the
    change is then posted.
    """
    key = [entries.c[name] for name in _PLACE]
    paid_cents = cast(func.sum(entries.c.cents), BigInteger).label("cents")
    paid = select(*key, paid_cents).where(entries.c.paid).group_by(*key).subquery("paid")
    written_off = (
        select(Posting.claim_id, Posting.line, Posting.responsibility, func.sum(-Posting.amount_cents).label("cents"))
        .join(Claim, and_(Claim.practice_id == Posting.practice_id, Claim.id == Posting.claim_id))
        .where(Posting.practice_id == practice_id, Claim.external_id.in_(select(paid.c.claim)))
        .where(write_offs.is_unreversed())
        .group_by(Posting.claim_id, Posting.line, Posting.responsibility)
        .subquery("written_off")
    )
    side = cast(written_off.c.responsibility, Text)
    is_insurance = side == literal(Responsibility.INSURANCE.value)
    credit = -(case((is_insurance, LineItem.insurance_due), else_=LineItem.patient_due) + paid.c.cents)
    of_claim = and_(Claim.practice_id == practice_id, Claim.id == written_off.c.claim_id)
    of_line = and_(
        LineItem.practice_id == practice_id, LineItem.claim_id == written_off.c.claim_id,
        LineItem.number == written_off.c.line,
    )  # fmt: skip
    same = and_(paid.c.claim == Claim.external_id, paid.c.line == written_off.c.line, paid.c.side == side)
    entered = select(*(due.c[name] for name in _PLACE)).where(due.c.paid)
    place = [paid.c[name] for name in _PLACE]
    return (
        select(*place, cast(func.least(written_off.c.cents, credit), BigInteger).label("cents"))
        .select_from(written_off)
        .join(Claim, of_claim)
        .join(LineItem, of_line)
        .join(paid, same)
        .where(credit > 0, tuple_(*place).not_in(entered))
    )

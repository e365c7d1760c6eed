"""Totals in an export that changed in the direction of what is due, but not by exactly as much."""

from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Select, and_, case, func, literal, or_, select

from core.db.sums import sum_cents
from core.enums.ledger import PostingKind

_PAYMENT: Final = PostingKind.PAYMENT.value
_ADJUSTMENT: Final = PostingKind.ADJUSTMENT.value


def partly_due(due: CTE, changes: CTE, *, has_charges: bool) -> Select[Any]:
    """Return the source_id of each changed total, and the cents of its change that the ledger already has.

    A total that changed by more contains what is due and something new. An adjustment that changed by less is the part
    of a write-off that the office has entered so far. A payment that changed by less is another payment.

    Only the one change for a claim, line and responsibility counts. If the file has charges, payments are compared with
    payments and adjustments with all else. Otherwise it has only balances, which contain both.
    """
    of = changes.c
    paid = of.kind == _PAYMENT if has_charges else literal(value=False)
    place = (of.claim, of.line, of.side, paid.label("paid"))
    cents = case((of.is_staged, of.amount_cents), else_=0) - func.coalesce(of.old_amount_cents, 0)
    alone = func.count().over(partition_by=place)
    is_total = of.kind.in_((_PAYMENT, _ADJUSTMENT)) if has_charges else literal(value=True)
    columns: tuple[Any, ...] = (of.source_id, *place, of.kind, cents.label("cents"), alone.label("changes"))
    total = select(*columns).where(is_total, _on_one_side(changes)).subquery("total")
    left = _by_place(due, has_charges=has_charges).subquery("left")
    same = and_(*(total.c[name] == left.c[name] for name in ("claim", "line", "side", "paid")))
    is_more = func.abs(total.c.cents) > func.abs(left.c.cents)
    is_toward = func.sign(total.c.cents) == func.sign(left.c.cents)
    counts = or_(is_more, total.c.kind == _ADJUSTMENT)
    had = case((is_more, left.c.cents), else_=total.c.cents).label("cents")
    return select(total.c.source_id, had).join(left, same).where(total.c.changes == 1, is_toward, counts)


def _on_one_side(changes: CTE) -> ColumnElement[bool]:
    """Return, as SQL, whether a change did not move a posting to the other responsibility."""
    of = changes.c
    return or_(of.old_responsibility.is_(None), of.responsibility.is_(None), of.old_responsibility == of.responsibility)


def _by_place(due: CTE, *, has_charges: bool) -> Select[Any]:
    paid = due.c.paid if has_charges else literal(value=False)
    key = (due.c.claim, due.c.line, due.c.side, paid.label("paid"))
    return select(*key, sum_cents(due.c.cents).label("cents")).group_by(*key)

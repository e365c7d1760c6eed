"""What postings would do to earlier write-offs, in SQL and without locks, as `late_payments` states the rule."""

from typing import Any, Final

from sqlalchemy import CTE, Select, Text, and_, case, cast, func, or_, select, tuple_
from sqlalchemy.orm import aliased

from core.db.sums import sum_cents
from core.enums.ledger import PostingKind, Responsibility
from core.ledger import write_offs
from core.ledger.late_payments import BALANCE_CHANGING_KINDS
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting

_KINDS: Final = [kind.value for kind in BALANCE_CHANGING_KINDS]
_PLACE: Final = ("claim", "line", "side")


def reversals_by(practice_id: int, rows: CTE) -> Select[Any]:
    """Return `source_id`, `claim`, and `cents` of write-offs that the row reverses; below zero, that it restores.

    The rows have the columns of a staged posting and are not posted yet. Rows on other claims, and on lines and
    responsibilities without write-offs, are left out.
    """
    rows = rows.prefix_with("NOT MATERIALIZED")  # there may be millions on other claims
    write_off = _write_offs(practice_id, rows).cte("write_off")
    of, place = rows.c, (rows.c.claim, rows.c.line, rows.c.responsibility)
    order: dict[str, Any] = {"partition_by": place, "order_by": (of.at, of.source_id), "rows": (None, 0)}
    moved = sum_cents(of.amount_cents).over(**order)
    raises = case((and_(of.kind.in_(_KINDS), of.amount_cents > 0), of.amount_cents), else_=0)
    # A posting restores at most its own amount, and a charge restores nothing.
    most = write_off.c.unreversed + func.least(write_off.c.restorable, sum_cents(raises).over(**order))
    without = write_off.c.due + write_off.c.unreversed + moved  # the balance without any write-off
    after = func.least(most, func.greatest(0, without)).label("after")
    same = and_(*(one == write_off.c[name] for one, name in zip(place, _PLACE, strict=True)))
    columns = (of.source_id, of.at, *place, write_off.c.unreversed, after)
    steps = select(*columns).join_from(rows, write_off, same).subquery("steps")
    step = steps.c
    partition = (step.claim, step.line, step.responsibility)
    before = func.lag(step.after).over(partition_by=partition, order_by=(step.at, step.source_id))
    return select(step.source_id, step.claim, (func.coalesce(before, step.unreversed) - step.after).label("cents"))


def _write_offs(practice_id: int, rows: CTE) -> Select[Any]:
    """Return claim, line and side with the cents of `unreversed` and `restorable` write-offs, and the balance.

    Only places with write-offs on the claims of the rows are returned.
    """
    original = aliased(Posting, name="original")
    of_original = and_(
        original.practice_id == Posting.practice_id, original.claim_id == Posting.claim_id,
        original.line == Posting.line, original.id == Posting.reverses_id,
    )  # fmt: skip
    place = (Posting.claim_id, Posting.line, Posting.responsibility)
    decision = func.max(Posting.id).filter(Posting.caused_by_id.is_(None)).over(partition_by=place)
    claims = select(Claim.id).where(Claim.practice_id == practice_id, Claim.external_id.in_(select(rows.c.claim)))
    found = (
        select(*place, Posting.id, Posting.amount_cents, Posting.caused_by_id, Posting.origin_job_id)
        .add_columns(write_offs.is_unreversed().label("stands"), decision.label("decision"))
        .outerjoin(original, of_original)
        .where(Posting.practice_id == practice_id, Posting.claim_id.in_(claims))
        .where(or_(Posting.kind == PostingKind.WRITE_OFF, original.kind == PostingKind.WRITE_OFF))
        .cte("found")
    )
    of = found.c
    dropped = write_offs.reversals_with_nothing_left(practice_id)
    came_late = and_(of.caused_by_id.is_not(None), of.id > func.coalesce(of.decision, 0))
    # A job without an id never equals a dropped one.
    stays = func.coalesce(tuple_(of.claim_id, of.origin_job_id).not_in(dropped), True)
    cents = (
        select(of.claim_id, of.line, of.responsibility)
        .add_columns(sum_cents(-of.amount_cents, of.stands).label("unreversed"))
        .add_columns(sum_cents(of.amount_cents, and_(came_late, stays)).label("restorable"))
        .group_by(of.claim_id, of.line, of.responsibility)
        .subquery("cents")
    )
    due = case((cents.c.responsibility == Responsibility.INSURANCE, LineItem.insurance_due), else_=LineItem.patient_due)
    of_line = and_(
        LineItem.practice_id == practice_id, LineItem.claim_id == cents.c.claim_id, LineItem.number == cents.c.line
    )
    of_claim = and_(Claim.practice_id == practice_id, Claim.id == cents.c.claim_id)
    side = cast(cents.c.responsibility, Text).label("side")
    columns = (Claim.external_id.label("claim"), cents.c.line, side, due.label("due"))
    return select(*columns, cents.c.unreversed, cents.c.restorable).select_from(cents).join(Claim, of_claim).join(
        LineItem, of_line
    )  # fmt: skip

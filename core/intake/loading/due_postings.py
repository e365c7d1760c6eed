"""What an export should contain by now: write-offs, their reversals and, if it gives totals, manual postings."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Select,
    SelectBase,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from core.db.sums import sum_cents
from core.enums.ledger import PostingKind
from core.intake.loading.known_postings import CORRECTION
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.recognized_postings import RecognizedPosting


def is_other(source: str, *, gives_totals: bool) -> ColumnElement[bool]:
    """Return the condition for a posting that an export may contain, not counting reversals of write-offs."""
    return Posting.source.is_distinct_from(source) if gives_totals else Posting.kind == PostingKind.WRITE_OFF


def _corrects_recognized(practice_id: int, source: str) -> ColumnElement[bool]:
    """Return the condition for a correction of a posting that is recognized with its corrected values."""
    corrected = func.split_part(Posting.source_id, CORRECTION, 1)
    return and_(
        Posting.source_id.contains(CORRECTION),
        exists().where(
            RecognizedPosting.practice_id == practice_id,
            RecognizedPosting.source == source,
            RecognizedPosting.source_id == corrected,
        ),
    )


def due_postings(practice_id: int, source: str, claim_numbers: SelectBase, *, gives_totals: bool) -> Select[Any]:
    """Return the cents that an export should contain and, with the opposite sign, those that it already contained.

    The columns are claim, line, side (responsibility), paid (whether it is a payment), cents and at: the posting's id,
    or 0 for what an export contained or corrected.
    """
    claims = claim_numbers.subquery("of_file")
    original, imported = aliased(Posting), aliased(Posting)
    of_claim = and_(Claim.practice_id == practice_id, Claim.external_id == claims.c.external_id)
    of_original = and_(
        original.practice_id == Posting.practice_id, original.claim_id == Posting.claim_id,
        original.line == Posting.line, original.id == Posting.reverses_id,
    )  # fmt: skip
    of_posting = and_(Posting.practice_id == Claim.practice_id, Posting.claim_id == Claim.id)
    is_payment = func.coalesce(original.kind, Posting.kind) == PostingKind.PAYMENT
    corrects = _corrects_recognized(practice_id, source)
    others = or_(is_other(source, gives_totals=gives_totals), corrects)
    posted_here = (
        select(Claim.external_id, Posting.line, cast(Posting.responsibility, Text), is_payment)
        .add_columns(Posting.amount_cents, case((corrects, 0), else_=Posting.id))
        .select_from(claims).join(Claim, of_claim).join(Posting, of_posting).outerjoin(original, of_original)
        .where(or_(others, original.kind == PostingKind.WRITE_OFF))
    )  # fmt: skip
    of_recognized = and_(
        RecognizedPosting.practice_id == Claim.practice_id, RecognizedPosting.claim_id == Claim.id,
        RecognizedPosting.source == source,
    )  # fmt: skip
    same = and_(
        imported.practice_id == RecognizedPosting.practice_id, imported.source == RecognizedPosting.source,
        imported.source_id == RecognizedPosting.source_id,
    )  # fmt: skip
    of_file = select(Claim.external_id).select_from(claims).join(Claim, of_claim).join(RecognizedPosting, of_recognized)
    brought = of_file.add_columns(
        RecognizedPosting.line, RecognizedPosting.responsibility, RecognizedPosting.kind == PostingKind.PAYMENT.value,
        -RecognizedPosting.amount_cents, literal(0),
    )  # fmt: skip
    posted = of_file.join(imported, same).add_columns(
        imported.line, cast(imported.responsibility, Text), imported.kind == PostingKind.PAYMENT, imported.amount_cents,
        literal(0),
    )  # fmt: skip
    every = union_all(posted_here, brought, posted).subquery("every")
    names = ("claim", "line", "side", "paid", "cents", "at")
    return select(*(column.label(name) for column, name in zip(every.c, names, strict=True)))


def totals_due(rows: FromClause) -> Select[Any]:
    """Return claim, line, side, paid and the cents of `due_postings` that no export has contained yet."""
    of = rows.c
    total = sum_cents(of.cents)
    place = (of.claim, of.line, of.side, of.paid)
    return select(*place, total.label("cents")).group_by(*place).having(total != 0)


def steps_due(rows: FromClause) -> CompoundSelect[Any]:
    """Return claim, line, side, paid and the cents due after each posting, because an office may enter only the first.

    A job may write off a balance again before the export contains its earlier write-off. For payments, only the total
    is returned.
    """
    of = rows.c
    place = (of.claim, of.line, of.side, of.paid)
    so_far = sum_cents(of.cents).over(partition_by=place, order_by=of.at).label("cents")
    steps = select(*place, so_far, of.at).subquery("steps")
    columns = (steps.c[name] for name in ("claim", "line", "side", "paid", "cents"))
    return select(*columns).where(~steps.c.paid, steps.c.at > 0, steps.c.cents != 0).union(totals_due(rows))

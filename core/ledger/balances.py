"""The cached amounts of lines and claims as sums of postings, for the ledger and the imports."""

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session, aliased

from core.db.sums import sum_cents
from core.enums.claims import BALANCE_DUE, SETTLED
from core.enums.ledger import PaidBy, PostingKind, Responsibility
from core.models.claims import Claim, LineItem
from core.models.ledger import Posting

LINE_CACHED_COLUMNS: Final = ("charge", "insurance_due", "patient_due")
CLAIM_CACHED_COLUMNS: Final = (
    "billed",
    "adjustment",
    "primary_paid",
    "secondary_paid",
    "patient_paid",
    "insurance_due",
    "patient_due",
    "has_credit_line",
    "last_payment_on",
)


def recompute(session: Session, practice_id: int, claim_ids: Select[int] | None) -> None:
    """Recompute the cached amounts of lines and claims for `claim_ids` (None: the whole practice).

    Rows that are already correct are not written. The caller has locked the claims and raises their versions, because
    only the caller knows whether an amount really changed.
    """
    sums = _entries(practice_id, claim_ids).cte("entries")
    _recompute_lines(session, practice_id, claim_ids, line_sums(sums).subquery("sums"))
    _recompute_claims(session, practice_id, claim_ids, line_sums(sums).subquery("lines"))


def refresh(session: Session, practice_id: int, claim_ids: Select[int]) -> None:
    """Refresh balances, versions and billing statuses of claims after postings.

    A Settled claim with a balance on any line goes back to Balance Due. Without a balance, it is Settled again.
    """
    recompute(session, practice_id, claim_ids)
    of_claims = (Claim.practice_id == practice_id, Claim.id.in_(claim_ids))
    unsynchronized = {"synchronize_session": False}
    raised = update(Claim).where(*of_claims).values(version=Claim.version + 1)
    session.execute(raised, execution_options=unsynchronized)
    # Check each line, because a credit on one line does not pay another line.
    of_claim = (LineItem.practice_id == Claim.practice_id, LineItem.claim_id == Claim.id)
    owes = exists().where(*of_claim, or_(LineItem.insurance_due > 0, LineItem.patient_due > 0)).correlate(Claim)
    reopened = update(Claim).where(*of_claims, Claim.billing_status == SETTLED, owes)
    session.execute(reopened.values(billing_status=BALANCE_DUE, reopened=True), execution_options=unsynchronized)
    paid = update(Claim).where(*of_claims, Claim.billing_status == BALANCE_DUE, Claim.reopened, ~owes)
    session.execute(paid.values(billing_status=SETTLED, reopened=False), execution_options=unsynchronized)


def line_sums(entries: FromClause) -> Select[Any]:
    """Return a row for each line of `entries` (claim_id, line, responsibility, kind, amount_cents, paid_by, posted_on).

    Balances and payments are positive cents. `adjustment` is positive if it lowers the balance.
    """
    of = entries.c
    return select(
        of.claim_id,
        of.line,
        sum_cents(of.amount_cents, of.kind == PostingKind.CHARGE).label("charge"),
        sum_cents(of.amount_cents, of.responsibility == Responsibility.INSURANCE).label("insurance_due"),
        sum_cents(of.amount_cents, of.responsibility == Responsibility.PATIENT).label("patient_due"),
        sum_cents(-of.amount_cents, of.kind == PostingKind.ADJUSTMENT).label("adjustment"),
        sum_cents(-of.amount_cents, of.paid_by == PaidBy.PRIMARY).label("primary_paid"),
        sum_cents(-of.amount_cents, of.paid_by == PaidBy.SECONDARY).label("secondary_paid"),
        sum_cents(-of.amount_cents, of.paid_by == PaidBy.PATIENT).label("patient_paid"),
        # A refund (above zero) does not count as a payment.
        func.max(of.posted_on)
        .filter(and_(of.kind == PostingKind.PAYMENT, of.amount_cents < 0))
        .label("last_payment_on"),
    ).group_by(of.claim_id, of.line)


def claim_sums(lines: FromClause) -> Select[Any]:
    """Return a row for each claim of `lines` (rows of `line_sums`), with the claim's column names."""
    of = lines.c
    return select(
        of.claim_id,
        sum_cents(of.charge).label("billed"),
        sum_cents(of.adjustment).label("adjustment"),
        sum_cents(of.primary_paid).label("primary_paid"),
        sum_cents(of.secondary_paid).label("secondary_paid"),
        sum_cents(of.patient_paid).label("patient_paid"),
        sum_cents(of.insurance_due).label("insurance_due"),
        sum_cents(of.patient_due).label("patient_due"),
        func.bool_or(or_(of.insurance_due < 0, of.patient_due < 0)).label("has_credit_line"),
        func.max(of.last_payment_on).label("last_payment_on"),
    ).group_by(of.claim_id)


def or_zero(sums: FromClause, cache: str) -> ColumnElement[Any]:
    """Return the sum of an outer-joined row: 0, or false, if there is no posting."""
    if cache == "last_payment_on":
        return sums.c[cache]
    return func.coalesce(sums.c[cache], false() if cache == "has_credit_line" else 0)


def _entries(practice_id: int, claim_ids: Select[int] | None) -> Select[*tuple[Any, ...]]:
    """Return the postings, where a reversal counts as the kind of posting that it reverses.

    A posting and its reversal share a partition. Joining them took minutes after the first thousand reversals, because
    PostgreSQL expected none and compared each posting with each reversal.
    """
    pair = (Posting.claim_id, Posting.line, func.coalesce(Posting.reverses_id, Posting.id))
    is_original = Posting.reverses_id.is_(None)
    kind, paid_by = (func.min(column).filter(is_original).over(partition_by=pair) for column in (
        Posting.kind, Posting.paid_by
    ))  # fmt: skip
    stands = func.count().over(partition_by=pair) == 1
    entries = select(
        Posting.claim_id,
        Posting.line,
        Posting.responsibility,
        func.coalesce(kind, Posting.kind).label("kind"),
        Posting.amount_cents,
        func.coalesce(paid_by, Posting.paid_by).label("paid_by"),
        # Neither a voided payment nor the void of a refund counts as a payment, so they have no payment date.
        case((and_(is_original, stands), Posting.posted_on), else_=null()).label("posted_on"),
    ).where(Posting.practice_id == practice_id)
    return entries if claim_ids is None else entries.where(Posting.claim_id.in_(claim_ids))


def _recompute_lines(
    session: Session,
    practice_id: int,
    claim_ids: Select[int] | None,
    sums: FromClause,
) -> None:
    line = aliased(LineItem)
    right = (
        select(
            line.claim_id,
            line.number,
            *(or_zero(sums, cache).label(cache) for cache in LINE_CACHED_COLUMNS),
        )
        .outerjoin(sums, and_(sums.c.claim_id == line.claim_id, sums.c.line == line.number))
        .where(line.practice_id == practice_id)
    )
    if claim_ids is not None:
        right = right.where(line.claim_id.in_(claim_ids))
    new = right.subquery("new")
    session.execute(
        update(LineItem)
        .where(
            LineItem.practice_id == practice_id,
            LineItem.claim_id == new.c.claim_id,
            LineItem.number == new.c.number,
            _differs(LineItem, new, LINE_CACHED_COLUMNS),
        )
        .values({cache: new.c[cache] for cache in LINE_CACHED_COLUMNS})
        .execution_options(synchronize_session=False)
    )


def _recompute_claims(
    session: Session,
    practice_id: int,
    claim_ids: Select[int] | None,
    lines: FromClause,
) -> None:
    claim = aliased(Claim)
    sums = claim_sums(lines).subquery("sums")
    right = (
        select(claim.id, *(or_zero(sums, cache).label(cache) for cache in CLAIM_CACHED_COLUMNS))
        .outerjoin(sums, sums.c.claim_id == claim.id)
        .where(claim.practice_id == practice_id)
    )
    if claim_ids is not None:
        right = right.where(claim.id.in_(claim_ids))
    new = right.subquery("new")
    session.execute(
        update(Claim)
        .where(
            Claim.practice_id == practice_id,
            Claim.id == new.c.id,
            _differs(Claim, new, CLAIM_CACHED_COLUMNS),
        )
        .values({cache: new.c[cache] for cache in CLAIM_CACHED_COLUMNS})
        .execution_options(synchronize_session=False)
    )


def _differs(table: type[Claim | LineItem], new: FromClause, caches: tuple[str, ...]) -> ColumnElement[bool]:
    return tuple_(*(getattr(table, cache) for cache in caches)).is_distinct_from(
        tuple_(*(new.c[cache] for cache in caches))
    )

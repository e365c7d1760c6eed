"""Totals and counts of claims: for a filter, for a selection, and by billing status."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from sqlalchemy import ColumnElement, func, not_, select
from sqlalchemy.orm import Session

from core.claims import age_buckets
from core.claims.claim_filter import ClaimFilter
from core.claims.feed_conditions import conditions, has_number_in, use_custom_plans
from core.db.sums import sum_cents
from core.enums.claims import AgeBucket
from core.models.claims import Claim
from core.policy import facts
from core.policy.terms import Terms


class Amounts:
    """The amounts of one or more claims in cents: billed = adjustment + paid + written off + balance."""

    billed: int
    adjustment: int
    primary_paid: int
    secondary_paid: int
    patient_paid: int
    insurance_due: int
    patient_due: int

    @property
    def written_off(self) -> int:
        """Return write-offs less reversals: the rest of the billed amount, because transfers on a line sum to zero."""
        paid = self.primary_paid + self.secondary_paid + self.patient_paid
        return self.billed - self.adjustment - paid - self.insurance_due - self.patient_due


@dataclass(frozen=True)
class FeedTotals(Amounts):
    """The number of claims and the sums of their amounts in cents. Unknown allowed or expected amounts count as 0."""

    claims: int
    billed: int
    allowed: int
    adjustment: int
    primary_paid: int
    secondary_paid: int
    patient_paid: int
    insurance_due: int
    patient_due: int
    expected: int

    @property
    def total_due(self) -> int:
        """Return the insurance balance plus the patient balance."""
        return self.insurance_due + self.patient_due

    def __add__(self, other: Self) -> Self:
        """Return the totals of both sets of claims."""
        return type(self)(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


NO_CLAIMS: Final = FeedTotals(*(0 for _ in fields(FeedTotals)))
SUMMED_COLUMNS: Final = tuple(field.name for field in fields(FeedTotals) if field.name != "claims")


def totals(
    session: Session, practice_id: int, f: ClaimFilter, terms: Terms, *, excluded: Collection[str] = ()
) -> FeedTotals:
    """Sum all matching claims, except those whose numbers are `excluded`."""
    where = [*conditions(practice_id, f, terms)]
    if excluded:
        where.append(not_(has_number_in(excluded)))
    return _sum(session, where, with_rules=bool(f.eligibility))


def totals_by_age(session: Session, practice_id: int, f: ClaimFilter, terms: Terms) -> dict[AgeBucket, FeedTotals]:
    """Sum all matching claims for each age bucket, the youngest first, in one pass over the claims."""
    use_custom_plans(session)
    bucket = age_buckets.bucket_of(terms.as_of, f.age_from).label("bucket")
    sums: list[Any] = [_sum_of(name) for name in SUMMED_COLUMNS]
    query = select(bucket, func.count(Claim.id).label("claims"), *sums).where(*conditions(practice_id, f, terms))
    if f.eligibility:
        query = query.select_from(facts.claims_with_payers())
    found = {key: FeedTotals(*of_bucket) for key, *of_bucket in session.execute(query.group_by(bucket))}
    return {key: found.get(key, NO_CLAIMS) for key in AgeBucket}


def totals_of_claim_ids(session: Session, practice_id: int, external_ids: Collection[str]) -> FeedTotals:
    """Sum the claims with these numbers. Unknown numbers are ignored."""
    return _sum(session, [Claim.practice_id == practice_id, has_number_in(external_ids)])


def counts_by_billing_status(session: Session, practice_id: int, f: ClaimFilter, terms: Terms) -> dict[str, int]:
    """Count the claims of each billing status under the filter's other keys. A status without claims is absent."""
    use_custom_plans(session)
    others = f.model_copy(update={"billing_status": ()})
    counts = select(Claim.billing_status, func.count()).where(*conditions(practice_id, others, terms))
    if f.eligibility:
        counts = counts.select_from(facts.claims_with_payers())
    return dict(session.execute(counts.group_by(Claim.billing_status)).all())


def _sum(session: Session, where: Iterable[ColumnElement[bool]], *, with_rules: bool = False) -> FeedTotals:
    use_custom_plans(session)
    sums: list[Any] = [_sum_of(name) for name in SUMMED_COLUMNS]
    query = select(func.count(Claim.id).label("claims"), *sums).where(*where)
    if with_rules:
        query = query.select_from(facts.claims_with_payers())
    return FeedTotals(**session.execute(query).one()._mapping)


def _sum_of(name: str) -> ColumnElement[int]:
    return sum_cents(getattr(Claim, name)).label(name)

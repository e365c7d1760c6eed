"""Totals of claims for a filter, by age."""

import datetime as dt
from typing import Annotated, Any, Final, Self

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.claims import feed
from core.claims.age_buckets import BUCKETS, Bucket
from core.claims.claim_filter import ClaimFilter
from core.claims.feed import FeedTotals
from core.claims.feed_totals import NO_CLAIMS
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer
from webui.api.request_parsing import Body
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor

_SUMS: Final = ("insurance_due", "patient_due", "total_due", "billed", "written_off")


class ClaimTotalsBody(Body):
    """Which claims to sum."""

    filter: Annotated[
        dict[str, Any],
        Field(default_factory=dict, description="The keys of GET /claims, with numbers and lists as JSON"),
    ]


class ClaimTotals(Answer):
    """The number of claims and the sums of their amounts."""

    claims: int
    insurance_due_cents: int
    patient_due_cents: int
    total_due_cents: int
    billed_cents: int
    written_off_cents: int

    @classmethod
    def of(cls, sums: FeedTotals, **others: Any) -> Self:
        """Return the sums as an answer."""
        return cls(claims=sums.claims, **{f"{name}_cents": getattr(sums, name) for name in _SUMS}, **others)


class TotalsOfAge(ClaimTotals):
    """The sums of claims whose age is in a range of days."""

    age_bucket: str
    first_day: int
    last_day: Annotated[int | None, Field(description="Last day of the range; null: no limit")]

    @classmethod
    def in_bucket(cls, sums: FeedTotals, bucket: Bucket) -> Self:
        """Return the sums of a bucket as an answer."""
        return cls.of(sums, age_bucket=bucket.key.value, first_day=bucket.first, last_day=bucket.last)


class TotalsByAge(ClaimTotals):
    """The sums of all matching claims, and of each age, the youngest first."""

    as_of: Annotated[dt.date, Field(description="Today in the practice's time zone")]
    age_basis: Annotated[str, Field(description="What ages count from: service or first_bill")]
    ages: list[TotalsOfAge]


@api.post("/claims/totals", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def sum_claims(body: ClaimTotalsBody, session: Session) -> TotalsByAge:
    """Sum all matching claims, in total and by age. The filter's `age_basis` decides what ages count from."""
    practice_id, f = current_actor().practice_id, ClaimFilter.of(body.filter)
    feed.check_known_values(session, practice_id, f)
    terms = feed.terms_for(session, practice_id, now=now())
    found = feed.totals_by_age(session, practice_id, f, terms)
    ages = [TotalsOfAge.in_bucket(found[bucket.key], bucket) for bucket in BUCKETS]
    total = sum(found.values(), NO_CLAIMS)
    return TotalsByAge.of(total, as_of=terms.as_of, age_basis=f.age_from.value, ages=ages)

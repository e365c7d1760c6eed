"""The age buckets of the A/R aging and of the feed: days since the date of service or the first bill."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_

from core.enums.claims import AgeBasis, AgeBucket
from core.models.claims import Claim


class Bucket(NamedTuple):
    """Ages in days, both inclusive. The first bucket includes future dates. `last` is None for the last bucket."""

    key: AgeBucket
    first: int
    last: int | None

    @property
    def label(self) -> str:
        """Return the heading of the column."""
        return f"Over {self.first - 1}" if self.last is None else f"{self.first}–{self.last}"

    def contains(self, today: dt.date, basis: AgeBasis = AgeBasis.SERVICE) -> ColumnElement[bool]:
        """Return, as SQL, whether the claim's age on `today` is in the bucket."""
        return and_(*self._dates(today, age_date(basis)))

    def _dates(self, today: dt.date, since: ColumnElement[dt.date]) -> Iterator[ColumnElement[bool]]:
        if self.first:
            yield since <= today - dt.timedelta(days=self.first)
        if self.last is not None:
            yield since >= today - dt.timedelta(days=self.last)


BUCKETS: Final = (
    Bucket(AgeBucket.DAYS_0_30, 0, 30),
    Bucket(AgeBucket.DAYS_31_60, 31, 60),
    Bucket(AgeBucket.DAYS_61_90, 61, 90),
    Bucket(AgeBucket.DAYS_91_120, 91, 120),
    Bucket(AgeBucket.OVER_120, 121, None),
)
LABELS: Final = {bucket.key: bucket.label for bucket in BUCKETS}


def age_date(basis: AgeBasis) -> ColumnElement[dt.date]:
    """Return, as SQL, the date that a claim's age counts from."""
    service: ColumnElement[dt.date] = Claim.service_date.expression
    return func.coalesce(Claim.first_edi_on, service) if basis is AgeBasis.FIRST_BILL else service


def is_in(keys: Collection[AgeBucket], today: dt.date, basis: AgeBasis) -> ColumnElement[bool]:
    """Return, as SQL, whether the claim's age is in one of the buckets."""
    return or_(*(bucket.contains(today, basis) for bucket in BUCKETS if bucket.key in keys))


def bucket_of(today: dt.date, basis: AgeBasis) -> ColumnElement[str]:
    """Return, as SQL, the key of the claim's bucket."""
    # Each date compares with one bound only, because the buckets before have taken the younger claims.
    *bounded, oldest = BUCKETS
    since = age_date(basis)
    youngest_first = [(since >= today - dt.timedelta(days=bucket.last or 0), bucket.key.value) for bucket in bounded]
    return case(*youngest_first, else_=oldest.key.value)

"""The age buckets of the A/R aging and of the feed: days since the date of service."""

import datetime as dt
from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, case, or_

from core.models.claims import Claim


class AgeBucket(StrEnum):
    """The buckets by key, the youngest first."""

    DAYS_0_30 = "0-30"
    DAYS_31_60 = "31-60"
    DAYS_61_90 = "61-90"
    DAYS_91_120 = "91-120"
    OVER_120 = "over-120"


class Bucket(NamedTuple):
    """Ages in days, both inclusive. The first bucket includes future dates. `last` is None for the last bucket."""

    key: AgeBucket
    first: int
    last: int | None

    @property
    def label(self) -> str:
        """Return the heading of the column."""
        return f"Over {self.first - 1}" if self.last is None else f"{self.first}–{self.last}"

    def contains(self, today: dt.date) -> ColumnElement[bool]:
        """Return, as SQL, whether the claim's age on `today` is in the bucket."""
        return and_(*self._dates(today))

    def _dates(self, today: dt.date) -> Iterator[ColumnElement[bool]]:
        if self.first:
            yield Claim.service_date <= today - dt.timedelta(days=self.first)
        if self.last is not None:
            yield Claim.service_date >= today - dt.timedelta(days=self.last)


BUCKETS: Final = (
    Bucket(AgeBucket.DAYS_0_30, 0, 30),
    Bucket(AgeBucket.DAYS_31_60, 31, 60),
    Bucket(AgeBucket.DAYS_61_90, 61, 90),
    Bucket(AgeBucket.DAYS_91_120, 91, 120),
    Bucket(AgeBucket.OVER_120, 121, None),
)
LABELS: Final = {bucket.key: bucket.label for bucket in BUCKETS}


def is_in(keys: Collection[AgeBucket], today: dt.date) -> ColumnElement[bool]:
    """Return, as SQL, whether the claim's age is in one of the buckets."""
    return or_(*(bucket.contains(today) for bucket in BUCKETS if bucket.key in keys))


def bucket_of(today: dt.date) -> ColumnElement[str]:
    """Return, as SQL, the key of the claim's bucket."""
    # Each date compares with one bound only, because the buckets before have taken the younger claims.
    *bounded, oldest = BUCKETS
    youngest_first = [
        (Claim.service_date >= today - dt.timedelta(days=bucket.last or 0), bucket.key.value) for bucket in bounded
    ]
    return case(*youngest_first, else_=oldest.key.value)

"""New postings whose month is closed: they are posted on the first open day after it."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from core import calendar_months
from core.counting import counted
from core.intake.loading import stages
from core.practices import periods


class Redated(NamedTuple):
    """The new postings of one closed month."""

    month: dt.date
    postings: int
    claims: int
    posted_on: dt.date

    def facts(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**self._asdict(), "month": self.month.isoformat(), "posted_on": self.posted_on.isoformat()}

    @classmethod
    def read(cls, facts: dict[str, Any]) -> Self:
        """Return it from what `facts` returned."""
        days = {name: dt.date.fromisoformat(facts[name]) for name in ("month", "posted_on")}
        return cls(**{**facts, **days})

    def sentence(self, *, is_done: bool) -> str:
        """Return it in words, before or after the import."""
        is_one = self.postings == 1
        will = ("was" if is_one else "were") if is_done else "will be"
        return (
            f"{counted(self.postings, 'new posting')} on {counted(self.claims, 'claim')} "
            f"{'is' if is_one else 'are'} dated in {calendar_months.format_long(self.month)}, which is closed. "
            f"{'It' if is_one else 'They'} {will} posted on {self.posted_on:%m/%d/%Y}. Dates of service do not change."
        )


def redate_closed_months(session: Session, closed: Collection[dt.date], is_new: ColumnElement[bool]) -> list[Redated]:
    """Date new staged postings in a closed month the first open day after it. Return them by month."""
    if not closed:
        return []
    staged = stages.POSTING
    month = periods.month_of_column(staged.c.posted_on)
    claims = func.count(staged.c.claim.distinct())
    counts = select(month, func.count(), claims).where(is_new, month.in_(closed)).group_by(month).order_by(month)
    found = [Redated(*row, periods.first_open_date(closed, row[0])) for row in session.execute(counts)]
    of_day = defaultdict(list)
    for one in found:
        of_day[one.posted_on].append(one.month)
    for posted_on, months in of_day.items():
        session.execute(update(staged).where(is_new, month.in_(months)).values(posted_on=posted_on))
    return found

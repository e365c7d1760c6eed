"""Refuse each row dated in a closed month, and say how to fix it."""

import datetime as dt
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.checks import Origins, first_faulty_rows
from core.intake.parsing.faults import FaultKind, Faults
from core.practices import periods

_MONTH: Final = periods.month_of_column(stages.POSTING.c.posted_on)


def report_postings_in_months(
    session: Session, practice_id: int, closed: set[dt.date], origins: Origins, faults: Faults
) -> None:
    """Add a fault for each staged posting dated in one of the `closed` months."""
    if not closed:
        return
    posting = stages.POSTING
    all_closed = periods.closed_months(session, practice_id) | closed
    rows = select(posting.c.at, posting.c.kind, posting.c.posted_on, _MONTH.label("month")).where(_MONTH.in_(closed))
    for row in first_faulty_rows(session, rows, "kind", "month", faults=faults):
        offered = periods.first_open_date(all_closed, row.month)
        cure = f"the month is closed; use {offered}, the next open date, or ask an administrator to reopen the month"
        fault = origins[posting].fault(row, "posted_on", str(row.posted_on), cure, kind=FaultKind.PRACTICE)
        faults.add(fault, times=row.times)


def staged_months(session: Session) -> set[dt.date]:
    """Return the months of all staged dates."""
    return set(session.scalars(select(_MONTH).where(stages.POSTING.c.posted_on.is_not(None)).distinct()))

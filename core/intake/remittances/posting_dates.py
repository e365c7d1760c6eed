"""The date on which a remittance is posted: the day of the payment, in an open month and not in the future."""

import datetime as dt

from core import calendar_months
from core.intake.remittances.batches import Run
from core.practices import periods


def date_problem(run: Run, day: dt.date | None) -> str | None:
    """Return the code of why nothing may be posted on that day. Lock its month unless this is a check.

    Raise `PeriodBusy`.
    """
    if day is None:
        return "no_date"
    session, practice_id = run.session, run.practice.id
    closed = periods.closed_months(session, practice_id)
    if day > periods.first_open_date(closed, run.today):
        return "future_date"
    if not run.is_check:
        closed |= periods.lock_months(session, practice_id, [day])
    return "closed_month" if calendar_months.month_of(day) in closed else None

"""Read what a page, a program or a command asks of the write-offs report."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

from core import calendar_months
from core.books.write_off_claims import Amount
from core.books.write_off_groups import BY_DEFAULT, Asked
from core.enums.write_off_report import Column, Dimension
from core.errors import BadInput

MONTHS_DEFAULT: Final = 12
MONTHS_MAX: Final = 120  # ten years


class BadReport(BadInput):
    """This report cannot be shown."""


def parse_asked(first: str, last: str, by: Sequence[str], *, today: dt.date) -> Asked:
    """Return the months and groups. Without them, take the last twelve months by month and reason.

    Raise `BadMonth` and `BadReport`.
    """
    end = calendar_months.parse_month(last) if last else calendar_months.month_of(today)
    begin = calendar_months.parse_month(first) if first else _months_before(end, MONTHS_DEFAULT - 1)
    if begin > end:
        raise BadReport("The first month is after the last one.")
    if _months_before(end, MONTHS_MAX - 1) > begin:
        raise BadReport(f"Choose at most {MONTHS_MAX} months.")
    known = {dimension.value for dimension in Dimension}
    if unknown := sorted(set(by) - known):
        raise BadReport(f"{unknown[0]!r} is not a group. Choose from {', '.join(sorted(known))}.")
    return Asked(begin, end, tuple(one for one in Dimension if one in by) or BY_DEFAULT)


def parse_amount(column: str, asked: Asked, group: Mapping[str, str | None]) -> Amount:
    """Return the amount to list the claims of. Raise `BadReport`."""
    try:
        picked = Column(column)
    except ValueError:
        raise BadReport(f"Choose one of these amounts: {', '.join(one.value for one in Column)}.") from None
    codes = {Dimension(name): code for name, code in group.items() if code is not None}
    return Amount(picked, asked.first, asked.last, codes)


def _months_before(month: dt.date, count: int) -> dt.date:
    years, index = divmod(month.year * 12 + month.month - 1 - count, 12)
    return dt.date(years, index + 1, 1)

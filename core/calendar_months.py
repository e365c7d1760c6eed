"""Calendar months. The first day of a month identifies it."""

import calendar as days
import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from core import reading
from core.errors import BadInput


class BadMonth(BadInput):
    """Write the month as YYYY-MM, such as 2026-11."""


def month_of(day: dt.date) -> dt.date:
    """Return the first day of the day's month, which identifies the month."""
    return day.replace(day=1)


def next_month(month: dt.date) -> dt.date:
    """Return the next month."""
    return month + dt.timedelta(days=days.monthrange(month.year, month.month)[1])


def parse_month(name: str) -> dt.date:
    """Return the month called `name`, such as 2026-11. Raise `BadMonth`."""
    year, dash, number = name.partition("-")
    is_written = bool(dash) and len(year) == 4 and len(number) == 2 and (year + number).isascii()  # noqa: PLR2004
    if not (is_written and (year + number).isdigit()):
        raise BadMonth
    if not (reading.FIRST_DAY.year <= int(year) <= reading.LAST_DAY.year and 1 <= int(number) <= 12):  # noqa: PLR2004
        raise BadMonth
    return dt.date(int(year), int(number), 1)


def format_code(month: dt.date) -> str:
    """Return 2026-11, for programs and files."""
    return f"{month:%Y-%m}"


def format_long(month: dt.date) -> str:
    """Return November 2026, for people."""
    return f"{month:%B %Y}"


def format_ranges(months: Iterable[dt.date], write: Callable[[dt.date], str] = format_long) -> str:
    """Return the months, oldest first, with consecutive ones as a range: "May 2026, July 2026 to October 2026"."""
    ranges: list[list[dt.date]] = []
    for month in months:
        if ranges and month == next_month(ranges[-1][-1]):
            ranges[-1].append(month)
        else:
            ranges.append([month])
    return ", ".join(" to ".join(dict.fromkeys(map(write, (one[0], one[-1])))) for one in ranges)


def posting_count(totals: dict[str, Any] | None) -> int:
    """Return the number of postings in the totals."""
    return sum(side["count"] for sides in (totals or {}).values() for side in sides.values())

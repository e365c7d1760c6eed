"""Read dates in a chosen format, and find the formats that fit a column of dates."""

import datetime as dt
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

from core.intake.parsing.fields import BadField
from core.reading import FIRST_DAY, LAST_DAY

_TIME: Final = r"(?:(?:\s+|T)\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?)?"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EXCEL_EPOCH: Final = dt.date(1899, 12, 30)
_EXCEL_LEAP_BUG: Final = 60  # Excel counts a February 29, 1900, which did not exist


class DateFormat(StrEnum):
    """How a column writes its dates. One-digit months and days, and a time after the date, are accepted."""

    MDY = "MM/DD/YYYY"
    DMY = "DD/MM/YYYY"
    MDY_2 = "MM/DD/YY"
    DMY_2 = "DD/MM/YY"
    YMD = "YYYY-MM-DD"
    YMD_DIGITS = "YYYYMMDD"
    MDY_DIGITS = "MMDDYYYY"
    DAY_MONTH_NAME = "DD-Mon-YYYY"
    MONTH_NAME = "Mon DD, YYYY"
    EXCEL_SERIAL = "Excel serial"


_BETWEEN: Final = r"[/.-]"
_PATTERNS: Final = {
    DateFormat.MDY: rf"(?P<m>\d{{1,2}})({_BETWEEN})(?P<d>\d{{1,2}})\2(?P<y>\d{{4}})",
    DateFormat.DMY: rf"(?P<d>\d{{1,2}})({_BETWEEN})(?P<m>\d{{1,2}})\2(?P<y>\d{{4}})",
    DateFormat.MDY_2: rf"(?P<m>\d{{1,2}})({_BETWEEN})(?P<d>\d{{1,2}})\2(?P<y>\d\d)",
    DateFormat.DMY_2: rf"(?P<d>\d{{1,2}})({_BETWEEN})(?P<m>\d{{1,2}})\2(?P<y>\d\d)",
    DateFormat.YMD: rf"(?P<y>\d{{4}})({_BETWEEN})(?P<m>\d{{1,2}})\2(?P<d>\d{{1,2}})",
    DateFormat.YMD_DIGITS: r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)",
    DateFormat.MDY_DIGITS: r"(?P<m>\d\d)(?P<d>\d\d)(?P<y>\d{4})",
    DateFormat.DAY_MONTH_NAME: r"(?P<d>\d{1,2})[- ](?P<m>[A-Za-z]{3,9})[- ,]+(?P<y>\d{4}|\d\d)",
    DateFormat.MONTH_NAME: r"(?P<m>[A-Za-z]{3,9})\.? (?P<d>\d{1,2}), (?P<y>\d{4})",
    DateFormat.EXCEL_SERIAL: r"(?P<serial>\d{5})(?:\.\d+)?",
}
_READERS: Final = {name: re.compile(pattern + _TIME, re.ASCII) for name, pattern in _PATTERNS.items()}


def date_reader(written: DateFormat, *, today: dt.date, is_past: bool = False) -> Callable[[str], dt.date]:
    """Return a reader of this format. It also accepts YYYY-MM-DD, which is unambiguous.

    A two-digit year is never in the future: in 2026, 30 means 1930. If the date `is_past`, neither is its day.
    """

    def read(field: str) -> dt.date:
        day = parse_date(field, written, today=today, is_past=is_past) or parse_date(field, DateFormat.YMD, today=today)
        if day is None:
            raise BadField(f"write a date as {written.value}, or choose another date format in the mapping")
        return day

    return read


def parse_date(field: str, written: DateFormat, *, today: dt.date, is_past: bool = False) -> dt.date | None:
    """Return the date, or None if the field is not a date in this format."""
    found = _READERS[written].fullmatch(field.strip())
    if found is None:
        return None
    parts = found.groupdict()
    if "serial" in parts:
        return _in_range(_EXCEL_EPOCH + dt.timedelta(days=int(parts["serial"])))
    year, is_short = int(parts["y"]), len(parts["y"]) == len("26")
    if is_short:
        year += 2000 if 2000 + year <= today.year else 1900
    try:
        day = dt.date(year, _month(parts["m"]), int(parts["d"]))
        return _in_range(day.replace(year=year - 100) if is_short and is_past and day > today else day)
    except ValueError:
        return None


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.index(text[:3].lower()) + 1


def _in_range(day: dt.date) -> dt.date | None:
    return day if FIRST_DAY <= day <= LAST_DAY else None


def possible_formats(values: Iterable[str], *, today: dt.date) -> list[DateFormat]:
    """Return every format in which all these values are dates."""
    found = list(values)
    return [
        written for written in DateFormat if found and all(parse_date(value, written, today=today) for value in found)
    ]


def describe_readings(values: Iterable[str], formats: Iterable[DateFormat], *, today: dt.date) -> str:
    """Return what the first date means in each format: "03/04/2026" is March 4, 2026, or April 3, 2026."""
    fitting = list(formats)
    for value in values:
        days = list(dict.fromkeys(parse_date(value, written, today=today) for written in fitting))
        if len(days) > 1 and None not in days:
            return f'"{value}" is {", or ".join(f"{day:%B} {day.day}, {day.year}" for day in days if day)}'
    return ""

"""How one field of a file is read: from text to a value, or to a sentence that says how it must be written."""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from core.money import BadAmount, parse_plain_amount

ID_CHARACTERS_MAX: Final = 100
TEXT_CHARACTERS_MAX: Final = 200
LINES_MAX: Final = 999  # of a claim; an institutional claim has up to 999

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_EARLIEST: Final = dt.date(1900, 1, 1)
_LATEST: Final = dt.date(2199, 12, 31)


class BadField(Exception):
    """A field cannot be read; the text is the cure."""


Read = Callable[[str], Any]


@dataclass(frozen=True)
class Column:
    """A column that is read. An empty field is None where it is optional, else a fault."""

    name: str
    read: Read
    optional: bool = False
    private: bool = False  # names, births, numbers of people: never repeated in a fault
    empty: Any = None  # what an empty optional field means


def text(field: str, *, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """Any text of one line."""
    if len(field) > characters_max:
        raise BadField(f"shorten it to {characters_max} characters; here are {len(field)}")
    if any(unicodedata.category(character) == "Cc" for character in field):
        raise BadField("remove the line break, tab or other control character")
    return field


def outside_id(field: str) -> str:
    """An id in the practice's own form."""
    return text(field, characters_max=ID_CHARACTERS_MAX)


def cents(field: str) -> int:
    """Dollars and cents, such as 1234.56 or -20.00; gives cents."""
    try:
        return parse_plain_amount(field)
    except BadAmount:
        raise BadField("write dollars and cents with digits and a point only, such as 1234.56") from None


def cents_not_negative(field: str) -> int:
    """Dollars and cents, 0.00 or more; gives cents."""
    amount = cents(field)
    if amount < 0:
        raise BadField("must not be negative")
    return amount


def date(field: str) -> dt.date:
    """A day as YYYY-MM-DD."""
    try:
        # fromisoformat alone would also read 20250131 and 2025-W05-5.
        day = dt.date.fromisoformat(field) if _DATE.fullmatch(field) else None
    except ValueError:
        raise BadField("there is no such day; write YYYY-MM-DD, such as 2025-01-31") from None
    if day is None:
        raise BadField("write the date as YYYY-MM-DD, such as 2025-01-31")
    if not _EARLIEST <= day <= _LATEST:
        raise BadField("the year is not between 1900 and 2199")
    return day


def time(field: str) -> dt.time:
    """A time of day as HH:MM."""
    try:
        if _TIME.fullmatch(field):
            return dt.time.fromisoformat(field)
    except ValueError:
        pass  # 25:00 is answered like any other text that is no time
    raise BadField("write the time as HH:MM, such as 14:30")


def timestamp_in(zone: ZoneInfo) -> Callable[[str], dt.datetime]:
    """A reader of UTC moments such as 2025-01-31T14:30:00Z; gives the local time without its zone."""

    def read(field: str) -> dt.datetime:
        try:
            moment = dt.datetime.fromisoformat(field) if _TIMESTAMP.fullmatch(field) else None
        except ValueError:
            moment = None
        if moment is None:
            raise BadField("write the moment in UTC, such as 2025-01-31T14:30:00Z")
        return moment.astimezone(zone).replace(tzinfo=None)

    return read


def line_number(field: str) -> int:
    """The number of a line on its claim."""
    if not re.fullmatch(r"[0-9]{1,3}", field) or int(field) == 0:
        raise BadField(f"number the claim's lines 1, 2, 3 … up to {LINES_MAX}")
    return int(field)


def whole_number(field: str) -> int:
    """Digits only."""
    if not re.fullmatch(r"[0-9]{1,18}", field):
        raise BadField("write a whole number")
    return int(field)


def reason_code(field: str) -> str:
    """A CARC, such as 45 or A1."""
    if not re.fullmatch(r"[0-9A-Z]{1,4}", field):
        raise BadField("write the claim adjustment reason code alone, such as 45")
    return field


def one_of(*values: str) -> Read:
    """A reader of exactly these words."""

    def read(field: str) -> str:
        if field not in values:
            raise BadField("write one of: " + ", ".join(values))
        return field

    return read


def member_of(enum: type[StrEnum]) -> Read:
    """A reader of the enum's values."""
    return one_of(*(member.value for member in enum))

"""Readers for one field of a file: from text to a value, or to a sentence that says how to write it."""

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

from core import reading
from core.intake.parsing import spreadsheet
from core.intake.parsing.characters import describe_character, explain_unplain_character, first_hidden_character
from core.intake.parsing.spreadsheet import SAVED_BY_SPREADSHEET
from core.money import BadAmount, parse_plain_amount

ID_CHARACTERS_MAX: Final = 100
TEXT_CHARACTERS_MAX: Final = 200
LINES_MAX: Final = 999  # of a claim; an institutional claim has up to 999

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LINE_BREAKING: Final = {"Cc", "Zl", "Zp"}
_AMOUNT: Final = r"-?(?!0+\.00)\d{1,9}\.\d\d"
_PLAIN_AMOUNTS: Final = re.compile(rf"(?:{_AMOUNT}\n)*{_AMOUNT}", re.ASCII)
_DECIMALS: Final = re.compile(r"-?\d+\.\d{3,}", re.ASCII)
_MINUS_ELSEWHERE: Final = re.compile(r"\(\$?[\d.,]+\)|\$?[\d.,]+-|\$-[\d.,]+|-\$[\d.,]+", re.ASCII)
_FULL_WIDTH: Final = re.compile(r"[\uff01-\uff5e]")


class BadField(Exception):
    """A field cannot be read. The text is the fix."""


class SpreadsheetDamage(BadField):
    """A spreadsheet rewrote the field. The text is the fix."""


FieldReader = Callable[[str], Any]


@dataclass(frozen=True)
class Column:
    """A column that is read. An empty field is None if it is optional, else a fault."""

    name: str
    read: FieldReader
    optional: bool = False
    private: bool = False  # names, dates of birth, people's ids: never repeated in a fault
    empty: Any = None  # value of an empty optional field
    may_be_absent: bool = False  # if the column is absent, it is read as if it were empty
    staged: Callable[[Any], Any] = lambda value: value  # what the import keeps of a value


def text(field: str, *, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
    """Read any text on one line."""
    if len(field) > characters_max:
        raise BadField(f"shorten it to {characters_max} characters")
    if not field.isprintable() and any(unicodedata.category(character) in _LINE_BREAKING for character in field):
        raise BadField("remove the line break, tab or other control character")
    return field


def label(field: str) -> str:
    """Read a text that other rows refer to. Invisible characters are refused, because they would split it in two."""
    hidden = first_hidden_character(field)
    if hidden is not None and unicodedata.category(hidden) != "Cc":
        raise BadField(f"remove the hidden character {describe_character(hidden)}")
    return text(field)


def external_id(field: str) -> str:
    """Read an id in the practice's own form. Refuse invisible characters and spreadsheet damage."""
    if field.isascii() and field.isalnum() and len(field) <= ID_CHARACTERS_MAX:
        return field  # neither is possible, because damage leaves a point, a comma or a sign
    label(field)
    if not field.isascii() and _FULL_WIDTH.search(field):
        raise BadField("the ID contains full-width characters; write plain letters and digits")
    damage = spreadsheet.damage_to_id(field)
    if damage is not None:
        raise SpreadsheetDamage(damage)
    return text(field, characters_max=ID_CHARACTERS_MAX)


def are_plain_ids(fields: Sequence[str]) -> bool:
    """Return whether `external_id` would return every field as it is, at a fraction of its time."""
    joined = "".join(fields)
    return joined.isascii() and joined.isalnum() and all(fields) and len(max(fields, key=len)) <= ID_CHARACTERS_MAX


def cents(field: str) -> int:
    """Read dollars and cents, such as 1234.56 or -20.00. Return cents."""
    try:
        return parse_plain_amount(field)
    except BadAmount:
        pass
    plain = "write dollars and cents as 1234.56: at most two decimals, no $ or commas"
    if spreadsheet.is_scientific(field):
        raise SpreadsheetDamage(f"the amount is in scientific notation, and cents may be lost; {SAVED_BY_SPREADSHEET}")
    if _MINUS_ELSEWHERE.fullmatch(field):
        raise BadField("put the minus sign first and write the amount as -1234.56, without $, commas or parentheses")
    if _DECIMALS.fullmatch(field):
        raise BadField("the amount has more than two decimals; round it to whole cents")
    raise BadField(explain_unplain_character(field) or plain)


def are_plain_amounts(fields: Sequence[str]) -> bool:
    """Return whether every field is an amount with two decimals, such as -20.00, that is not zero."""
    return bool(_PLAIN_AMOUNTS.fullmatch("\n".join(fields)))


def cents_not_negative(field: str) -> int:
    """Read dollars and cents, 0.00 or more. Return cents."""
    amount = cents(field)
    if amount < 0:
        raise BadField("must not be negative")
    return amount


def date(field: str) -> dt.date:
    """Read a date written as YYYY-MM-DD."""
    try:
        # fromisoformat alone would also accept 20250131 and 2025-W05-5.
        day = dt.date.fromisoformat(field) if _DATE.fullmatch(field) else None
    except ValueError:
        raise BadField(_no_such_day(field)) from None
    if day is None:
        if spreadsheet.is_date(field):
            raise SpreadsheetDamage(f"{SAVED_BY_SPREADSHEET}, and write the date as YYYY-MM-DD, such as 2025-01-31")
        raise BadField(explain_unplain_character(field) or "write the date as YYYY-MM-DD, such as 2025-01-31")
    if not reading.FIRST_DAY <= day <= reading.LAST_DAY:
        raise BadField(reading.BAD_YEAR)
    return day


def _no_such_day(field: str) -> str:
    month, day = field[5:7], field[8:]
    if "12" < month <= "31" and "01" <= day <= "12":
        return "the day and month are swapped; write YYYY-MM-DD, such as 2025-01-31"
    return "this date does not exist; write YYYY-MM-DD, such as 2025-01-31"


def time(field: str) -> dt.time:
    """Read a time of day written as HH:MM."""
    try:
        if _TIME.fullmatch(field):
            return dt.time.fromisoformat(field)
    except ValueError:
        pass  # 25:00 gets the same answer as any other invalid time
    if spreadsheet.is_time(field):
        raise SpreadsheetDamage(f"{SAVED_BY_SPREADSHEET}, and write the time as HH:MM, such as 14:30")
    raise BadField(explain_unplain_character(field) or "write the time as HH:MM, such as 14:30")


def timestamp_in(zone: ZoneInfo) -> Callable[[str], dt.datetime]:
    """Return a reader of UTC times such as 2025-01-31T14:30:00Z. It returns the local time without a zone."""

    def read(field: str) -> dt.datetime:
        try:
            moment = dt.datetime.fromisoformat(field) if _TIMESTAMP.fullmatch(field) else None
        except ValueError:
            moment = None
        if moment is None:
            cure = "write the date and time in UTC, such as 2025-01-31T14:30:00Z"
            if spreadsheet.is_date(field):
                raise SpreadsheetDamage(f"{SAVED_BY_SPREADSHEET}, and {cure}")
            raise BadField(explain_unplain_character(field) or cure)
        return moment.astimezone(zone).replace(tzinfo=None)

    return read


def line_number(field: str) -> int:
    """Read the number of a line on its claim."""
    if not re.fullmatch(r"[0-9]{1,3}", field) or int(field) == 0:
        _refuse_number(field, f"number the claim's lines 1, 2, 3 … up to {LINES_MAX}")
    return int(field)


def whole_number(field: str) -> int:
    """Read digits only."""
    if not re.fullmatch(r"[0-9]{1,18}", field):
        _refuse_number(field, "write a whole number")
    return int(field)


def count(field: str) -> int:
    """Read a number from 0 to 999."""
    if not re.fullmatch(r"[0-9]{1,3}", field):
        _refuse_number(field, "write a whole number from 0 to 999")
    return int(field)


def _refuse_number(field: str, cure: str) -> NoReturn:
    if spreadsheet.is_whole_number_with_zeros(field) or spreadsheet.is_scientific(field):
        raise SpreadsheetDamage(f"{SAVED_BY_SPREADSHEET}, and {cure}")
    raise BadField(explain_unplain_character(field) or cure)


def reason_code(field: str) -> str:
    """Read a CARC, such as 45 or A1."""
    if not re.fullmatch(r"[0-9A-Z]{1,4}", field):
        raise BadField(
            explain_unplain_character(field) or "write only the claim adjustment reason code (CARC), such as 45"
        )
    return field


def one_of(*values: str) -> FieldReader:
    """Return a reader of exactly these words."""

    def read(field: str) -> str:
        if field not in values:
            raise BadField(explain_unplain_character(field) or "write one of: " + ", ".join(values))
        return field

    return read


def enum_value(enum: type[StrEnum]) -> FieldReader:
    """Return a reader of the enum's values."""
    return one_of(*(member.value for member in enum))


@dataclass(frozen=True)
class Consistency:
    """A check of whether the valid fields of a row fit together. For a number, only its sign may matter."""

    columns: tuple[str, ...]
    explain: Callable[..., tuple[str, str] | None]  # from their values to (column, cure), or None if they fit


@dataclass(frozen=True)
class FileFormat:
    """A file to read: its columns, and whether other columns are allowed."""

    name: str
    columns: tuple[Column, ...]
    others_allowed: bool = False
    may_be_absent: bool = False
    first_is_key: bool = True  # the first column is the id of each row
    consistency: Consistency | None = None

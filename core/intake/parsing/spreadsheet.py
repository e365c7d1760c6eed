"""Traces that a spreadsheet leaves on values when it opens and saves a CSV file."""

import re
from typing import Final

_SCIENTIFIC: Final = re.compile(r"[+-]?\d+([.,]\d+[eE][+-]?|[eE][+-])\d+", re.ASCII)
_NUMBER: Final = re.compile(r"\d+\.0+", re.ASCII)
_MONTH: Final = "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_ID_AS_DATE: Final = re.compile(rf"\d{{1,2}}-{_MONTH}(-\d\d)?|{_MONTH}-\d\d", re.ASCII)
_ERRORS: Final = {"#N/A", "#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"}
_DATE: Final = re.compile(
    r"\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})( .*)?"  # 3/4/2025, 3/4/2025 0:00
    r"|\d{4}([/.-])\d{1,2}\3\d{1,2}([ T].*)?"  # 2025/3/4, 2025-03-04 00:00:00
    r"|\d{1,2}[- ][A-Za-z]{3,9}[- ,]+(\d{4}|\d{2})( .*)?"  # 4-Mar-25
    r"|([A-Za-z]{3,9}, )?[A-Za-z]{3,9} \d{1,2}, \d{4}( .*)?"  # Tuesday, March 4, 2025
    r"|\d{5}(\.\d+)?",  # 45720, days since 1900
    re.ASCII,
)
_TIME: Final = re.compile(r"(\d:\d\d(:\d\d)?|\d{1,2}:\d\d(:\d\d)? ?[AaPp]\.?[Mm]\.?|0\.\d+)", re.ASCII)

SAVED_BY_SPREADSHEET: Final = "format the column as text in the spreadsheet before export"


def is_date(field: str) -> bool:
    """Return whether the field is a date or time in a form that spreadsheets write."""
    return bool(_DATE.fullmatch(field)) or _is_overflow(field)


def is_time(field: str) -> bool:
    """Return whether the field is a time of day in a form that spreadsheets write."""
    return bool(_TIME.fullmatch(field)) or _is_overflow(field)


def is_scientific(field: str) -> bool:
    """Return whether the field is in scientific notation, such as 1.84146E+17, which loses digits."""
    return bool(_SCIENTIFIC.fullmatch(field))


def is_whole_number_with_zeros(field: str) -> bool:
    """Return whether the field is a whole number with an added decimal, such as 10001.0."""
    return bool(_NUMBER.fullmatch(field))


def damage_to_id(field: str) -> str | None:
    """Return how a spreadsheet damaged the id, or None."""
    if is_scientific(field):
        return f"Excel turned the ID into a number in scientific notation, and digits are lost; {SAVED_BY_SPREADSHEET}"
    if is_whole_number_with_zeros(field):
        return f'the ID was turned into a number with ".0"; {SAVED_BY_SPREADSHEET}'
    if _ID_AS_DATE.fullmatch(field):
        return f"the ID was turned into a date; {SAVED_BY_SPREADSHEET}"
    return None


def error_in(field: str) -> bool:
    """Return whether the field is a spreadsheet's error value or a column that was too narrow."""
    return field.startswith("#") and (field in _ERRORS or _is_overflow(field))


def _is_overflow(field: str) -> bool:
    return field.startswith("###") and not field.strip("#")

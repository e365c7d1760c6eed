"""Strictly read values that programs and commands send. Describe faults in our own words instead of pydantic's."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from core.db.bounds import BIGINT_MAX

# The validation context for values that are all text (from a URL or a command line). Others have JSON types.
TEXT_CONTEXT: Final = {"texts": True}

# An earlier or later day is a typing error. At the ends of the calendar, a day before or after does not exist.
FIRST_DAY: Final = dt.date(1900, 1, 1)
LAST_DAY: Final = dt.date(2199, 12, 31)
BAD_YEAR: Final = f"the year must be between {FIRST_DAY.year} and {LAST_DAY.year}"
NOTE_CHARACTERS_MAX: Final = 500  # for a note or a reason

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+|\d{1,3}(?:,\d{3})+", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_TRUE_OR_FALSE: Final = {"true": True, "false": False}
_PATH_CHARACTERS_MAX: Final = 60
_NUMBER_CHARACTERS_MAX: Final = 60  # Python refuses to read thousands of digits, and no valid number is this long


def day(value: Any) -> dt.date:
    """Read "YYYY-MM-DD", from 1900 through 2199. For anything else, such as a number, raise `ValueError` with the cure.

    Every page, program and command reads days with it.
    """
    if type(value) is dt.date:
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("write the date as YYYY-MM-DD")
    try:
        found = dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError("this date does not exist; write the date as YYYY-MM-DD") from None
    if not FIRST_DAY <= found <= LAST_DAY:
        raise ValueError(BAD_YEAR)
    return found


def number(typed: str, *, most: int = BIGINT_MAX) -> int | None:
    """Read a whole number from 0 to `most`, as typed or in an address: "1042", "1,042". Return None otherwise."""
    digits = typed.strip()
    if not _DIGITS.fullmatch(digits) or len(digits) > _NUMBER_CHARACTERS_MAX:
        return None
    found = int(digits.replace(",", ""))
    return found if found <= most else None


def checked_name(name: str, refusal: Exception | type[Exception], *, most: int, least: int = 1) -> str:
    """Return the name if it has a valid length, and only characters that can be printed. Otherwise, raise `refusal`."""
    if not least <= len(name) <= most or not name.isprintable():
        raise refusal
    return name


def is_valid_note(note: str, *, least: int = 1) -> bool:
    """Return whether a note or reason has a valid length and no NUL character."""
    return least <= len(note) <= NOTE_CHARACTERS_MAX and "\x00" not in note


def whole_number(cure: str) -> Callable[[Any, ValidationInfo], int]:
    """Return a validator for whole numbers. Anything else (50.0, "50" in JSON, true) raises `cure`."""

    def read(value: Any, info: ValidationInfo) -> int:
        if info.context is TEXT_CONTEXT and isinstance(value, str) and _WHOLE.fullmatch(value):
            return int(value)
        if info.context is TEXT_CONTEXT or type(value) is not int:
            raise ValueError(cure)
        return value

    return read


def parse_bool(value: Any, info: ValidationInfo) -> bool:
    """Read JSON's true or false, or these words if values are text. Raise `ValueError` for anything else."""
    if info.context is TEXT_CONTEXT and isinstance(value, str) and value in _TRUE_OR_FALSE:
        return _TRUE_OR_FALSE[value]
    if info.context is TEXT_CONTEXT or not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


Day = Annotated[dt.date, BeforeValidator(day, json_schema_input_type=dt.date)]
WHOLE_CENTS: Final = "write whole cents, such as 5000 for $50.00"


def faults_by_path(error: ValidationError, *, skip: int = 0) -> dict[str, str]:
    """Return the faults with their cures, by field path. Leave out the first `skip` parts of each path."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        found.setdefault(field_path(fault["loc"][skip:]), words(fault))  # the first fault of a value is enough
    return found


def join_faults(found: Mapping[str, str]) -> str:
    """Return all faults in one line."""
    return "; ".join(f"{where}: {message}" if where else message for where, message in found.items())


def as_sentence(text: str) -> str:
    """Return a fault or a fix as a sentence: with a capital letter and a period, unless it is a question."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?')) else '.'}"


def field_path(parts: tuple[str | int, ...]) -> str:
    """Return the path of a fault: "selection.claim_ids.3"."""
    return ".".join(str(part)[:_PATH_CHARACTERS_MAX] for part in parts)


def words(fault: ErrorDetails) -> str:
    """Return what is wrong with one value and what to write instead, without the value itself."""
    kind, facts = fault["type"], fault.get("ctx", {})
    if kind == "value_error" and str(facts["error"]):
        return str(facts["error"])  # our own words
    if kind in ("enum", "literal_error", "union_tag_invalid"):
        return _one_of(facts.get("expected") or facts["expected_tags"])
    if kind in _WITH_LIMITS:
        return _WITH_LIMITS[kind].format(**facts)
    if kind in ("string_too_short", "too_short"):
        return "must not be empty" if facts["min_length"] == 1 else f"needs at least {facts['min_length']:,}"
    if kind in ("string_too_long", "too_long"):
        return f"at most {facts['max_length']:,}{' characters' if kind.startswith('string') else ''}"
    return next((message for begins, message in _WORDS.items() if kind.startswith(begins)), "is not valid")


def _one_of(expected: str) -> str:
    """Return the choices from pydantic's "'a', 'b' or 'c'", with True written as in JSON."""
    choices = re.findall(r"'([^']*)'", expected) or [expected.lower()]
    return f"must be {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"


_WITH_LIMITS: Final = {
    "greater_than": "must be more than {gt:,}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than": "must be less than {lt:,}",
    "less_than_equal": "must be at most {le:,}",
}
# By the beginning of pydantic's error type. The first match wins.
_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is unknown",
    "union_tag_not_found": "is missing",
    "string_pattern_mismatch": "is not written correctly",
    "string": "write a string",
    "int": "write a whole number",
    "bool": "write true or false",
    "date": "write the date as YYYY-MM-DD",
    "time": "write the time as HH:MM",
    "tuple": "write a list",
    "list": "write a list",
    "dict": "write an object",
    "model": "write an object",
    "none_required": "leave it out, or write null",
}

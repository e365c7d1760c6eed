"""How what programs and commands send is read: strictly; and what does not fit is said in our words, not pydantic's."""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from core.db.base import BIGINT_MAX

# The context of a reading in which every value is a text: an address, a command line. Without it, values are JSON's.
TEXTS: Final = {"texts": True}

NOTE_CHARACTERS_MAX: Final = 500  # of a note, or of a reason in words

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DIGITS: Final = re.compile(r"\d+|\d{1,3}(?:,\d{3})+", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,18}", re.ASCII)
_TRUE_OR_FALSE: Final = {"true": True, "false": False}
_PLACE_CHARACTERS_MAX: Final = 60
_NUMBER_CHARACTERS_MAX: Final = 60  # Python refuses to read thousands of digits; no number that we keep has so many


def day(value: Any) -> dt.date:
    """The day that "YYYY-MM-DD" says; raises `ValueError` with the cure for anything else, a number above all."""
    if type(value) is dt.date:
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("write the date as YYYY-MM-DD")
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError("no calendar has this day; write the date as YYYY-MM-DD") from None


def number(typed: str, *, most: int = BIGINT_MAX) -> int | None:
    """The whole number from 0 to `most` that a person typed or an address has: "1042", "1,042"; None for all else."""
    digits = typed.strip()
    if not _DIGITS.fullmatch(digits) or len(digits) > _NUMBER_CHARACTERS_MAX:
        return None
    found = int(digits.replace(",", ""))
    return found if found <= most else None


def can_keep(note: str, *, least: int = 1) -> bool:
    """Tell whether a note, or a reason in words, is neither too short nor too long, and has no NUL character."""
    return least <= len(note) <= NOTE_CHARACTERS_MAX and "\x00" not in note


def whole(cure: str) -> Callable[[Any, ValidationInfo], int]:
    """A reader of whole numbers that says `cure` of anything else: 50.0, "50" in JSON, true."""

    def read(value: Any, info: ValidationInfo) -> int:
        if info.context is TEXTS and isinstance(value, str) and _WHOLE.fullmatch(value):
            return int(value)
        if info.context is TEXTS or type(value) is not int:
            raise ValueError(cure)
        return value

    return read


def true_or_false(value: Any, info: ValidationInfo) -> bool:
    """JSON's true or false, or these words where every value is a text; raises `ValueError` for anything else."""
    if info.context is TEXTS and isinstance(value, str) and value in _TRUE_OR_FALSE:
        return _TRUE_OR_FALSE[value]
    if info.context is TEXTS or not isinstance(value, bool):
        raise ValueError("write true or false")
    return value


Day = Annotated[dt.date, BeforeValidator(day, json_schema_input_type=dt.date)]
WHOLE_CENTS: Final = "write whole cents, such as 5000 for $50.00"


def faults(error: ValidationError, *, skip: int = 0) -> dict[str, str]:
    """What is wrong, in words that say the cure, by its place; `skip` leading parts of a place are not said."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        found.setdefault(place(fault["loc"][skip:]), words(fault))  # the first of a value is enough to mend it
    return found


def sentence(found: Mapping[str, str]) -> str:
    """All the faults in one line."""
    return "; ".join(f"{where}: {said}" if where else said for where, said in found.items())


def place(parts: tuple[str | int, ...]) -> str:
    """Where a fault is: "selection.claim_ids.3"."""
    return ".".join(str(part)[:_PLACE_CHARACTERS_MAX] for part in parts)


def words(fault: ErrorDetails) -> str:
    """What is wrong with one value and what to write instead; never the value itself."""
    kind, facts = fault["type"], fault.get("ctx", {})
    if kind == "value_error" and str(facts["error"]):
        return str(facts["error"])  # words of our own
    if kind in ("enum", "literal_error", "union_tag_invalid"):
        return _one_of(facts.get("expected") or facts["expected_tags"])
    if kind in _WITH_LIMITS:
        return _WITH_LIMITS[kind].format(**facts)
    if kind in ("string_too_short", "too_short"):
        return "must not be empty" if facts["min_length"] == 1 else f"needs at least {facts['min_length']:,}"
    if kind in ("string_too_long", "too_long"):
        return f"at most {facts['max_length']:,}{' characters' if kind.startswith('string') else ''}"
    return next((said for begins, said in _WORDS.items() if kind.startswith(begins)), "is not as it must be")


def _one_of(expected: str) -> str:
    """The choices, out of pydantic's "'a', 'b' or 'c'"; of True, as JSON writes it."""
    choices = re.findall(r"'([^']*)'", expected) or [expected.lower()]
    return f"must be {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"


_WITH_LIMITS: Final = {
    "greater_than": "must be more than {gt:,}",
    "greater_than_equal": "must be at least {ge:,}",
    "less_than": "must be less than {lt:,}",
    "less_than_equal": "must be at most {le:,}",
}
# By how pydantic's kind begins; the first that fits.
_WORDS: Final = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "union_tag_not_found": "is missing",
    "string_pattern_mismatch": "is not written as it must be",
    "string": "write a text",
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

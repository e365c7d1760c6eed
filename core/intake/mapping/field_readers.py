"""How the values of each field are read in a mapped file."""

import datetime as dt
import re
from functools import lru_cache
from typing import Final

from core.intake.mapping.amounts import read_amount
from core.intake.mapping.date_formats import date_reader
from core.intake.mapping.mapping import OUR_WORDS, Mapping, Problem
from core.intake.mapping.targets import TARGETS, Field, Kind
from core.intake.mapping.words import meaning
from core.intake.parsing import fields
from core.intake.parsing.fields import BadField, FieldReader

UNKNOWN_WORD: Final = "give this value a meaning in the mapping"
_CACHED_VALUES: Final = 4_096  # of each column; dates, payers and words repeat
_DENIAL_CODE: Final = re.compile(r"((?P<group>CO|PR|OA|PI)[ -]?)?(?P<code>[0-9]{1,3}|[A-Z][0-9]{1,3})")


def constant_problems(mapping: Mapping, *, today: dt.date) -> list[Problem]:
    """Return which values that are the same for every row cannot be read."""
    found = []
    for field, text in mapping.constants.items():
        if TARGETS[field].kind is Kind.DATE and field not in mapping.dates:
            continue  # the mapping's own problems ask for the format
        try:
            reader(field, mapping, today)(text)
        except BadField as fault:
            ours = ", ".join(OUR_WORDS.get(field) or ())
            cure = f"enter one of these: {ours}" if str(fault) == UNKNOWN_WORD else str(fault)
            found.append(Problem("bad_constant", f"{TARGETS[field].label}, same value in every row: {cure}."))
    return found


def reader(field: Field, mapping: Mapping, today: dt.date) -> FieldReader:
    """Return the reader of a field's values. It caches recent values."""
    kind = TARGETS[field].kind
    if field is Field.LINE:
        return fields.line_number
    if kind in _READERS:
        return _READERS[kind]
    if kind is Kind.MONEY:
        return lambda text: read_amount(text, credit_words=mapping.credit_words)
    if kind is Kind.DATE:
        return _cached(date_reader(mapping.dates[field], today=today, is_past=field is Field.BIRTH_DATE))
    return _cached(_words(field, mapping) if kind is Kind.WORD else _text)


def _denial_code(text: str) -> tuple[str | None, str]:
    """Read a CARC as offices write it: 29, CO29, CO-29. Return the group, if given, and the code."""
    found = _DENIAL_CODE.fullmatch(text.strip().upper())
    if found is None:
        raise BadField("write one claim adjustment reason code (CARC), such as 29 or CO-29")
    return found["group"], found["code"]


def _cached(read: FieldReader) -> FieldReader:
    return lru_cache(maxsize=_CACHED_VALUES)(read)


_READERS: Final[dict[Kind, FieldReader]] = {
    Kind.ID: fields.external_id, Kind.COUNT: fields.count, Kind.CODE: _denial_code
}  # fmt: skip


def _text(text: str) -> str:
    return fields.label(" ".join(text.split()))


def _words(field: Field, mapping: Mapping) -> FieldReader:
    """Return a reader that translates words by the mapping, then by usual meaning. Any billing status is accepted."""
    given = {" ".join(word.split()).casefold(): ours for word, ours in mapping.words.get(field, {}).items()}

    def read(text: str) -> str | None:
        key = " ".join(text.split()).casefold()
        found = given.get(key, meaning(field, text))
        if found is None and field is Field.BILLING_STATUS:
            return _text(text)
        if found is None:
            raise BadField(UNKNOWN_WORD)
        return found or None

    return read

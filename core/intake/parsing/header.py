"""The header line: where each column is, or what is wrong with the line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from unicodedata import normalize

from core.intake.parsing.characters import describe_character, first_hidden_character, fold_look_alikes, is_hidden
from core.intake.parsing.faults import Fault, FaultKind, Faults
from core.intake.parsing.fields import Column, FileFormat

Rows = Sequence[tuple[int, list[str]]]  # line number and fields

_CLOSE_MATCH_CUTOFF: Final = 0.87  # a letter or two missing; lower values mislead
_ID_SUFFIXES: Final = ("id", "no", "number", "num", "nr", "#")
_SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_MONEY_WORDS: Final = (
    *("amount", "amt", "paid", "billed", "charge", "balance", "due", "cost", "fee", "total", "adjust", "copay"),
    *("deduct", "coins", "write", "refund", "payment", "credit", "debit", "price", "owed", "allowed", "dollar"),
)
_DATA_VALUE: Final = re.compile(r"[-+$(\s]*\d[\d.,:/-]*\)?")  # a number, an amount, a date or a time
_SEE_FORMAT_DOCUMENT: Final = "see docs/import-format.md for the columns"


@dataclass(frozen=True)
class Header:
    """The columns of a file by position. None if an older file lacks the column."""

    at: int  # line number
    fields: list[str]
    read: list[tuple[int | None, Column]]
    width: int  # up to the last named column
    unnamed: list[int]  # positions before that without a name


def parse_header(rows: Rows, file: FileFormat, faults: Faults) -> Header | None:
    """Read the header from the first rows of a file. Return None if it is faulty, with faults added."""
    if not rows:
        faults.add(Fault(file.name, "the file is empty; its first line must name the columns", kind=FaultKind.COLUMNS))
        return None
    at, fields = rows[0]
    cure = _not_a_header(rows, file)
    if cure is not None:
        faults.add(Fault(file.name, cure, line=at, kind=FaultKind.COLUMNS))
        return None
    before = len(faults)
    names = _visible_names(fields, at, file, faults)
    places = {column.name: _find_column(column.name, names, at, file, faults) for column in file.columns}
    _add_unknown(names, places, at, file, faults)
    if len(faults) > before:
        return None
    width = max(index for index, name in enumerate(names) if name) + 1
    unnamed = [index for index in range(width) if not names[index]]
    return Header(at, fields, [(places[column.name], column) for column in file.columns], width, unnamed)


def _not_a_header(rows: Rows, file: FileFormat) -> str | None:
    """Return the fix if the first row is not a header. Its content is not repeated: it may be a patient's data."""
    fields = rows[0][1]
    first = fields[0].strip().lower()
    for separator, plural in _SEPARATORS.items():
        if first == f"sep={separator}":
            return f'remove the line "sep=", which only Excel reads, and separate the columns with commas, not {plural}'
        split = [part.strip('" ') for field in fields for part in field.split(separator)]
        if len(split) > len(fields) and _recognized(split, file) > _recognized(fields, file):
            return f"separate the columns with commas, not {plural}"
    if first.startswith("sep="):
        return 'remove the line "sep=", which only Excel reads'
    recognized = _recognized(fields, file)
    # A line of data may contain a word that is also a column name. Its other values may be a patient's data.
    if recognized * 2 >= len(fields) or (
        recognized and not any(_DATA_VALUE.fullmatch(field.strip()) for field in fields)
    ):
        return None
    for at, later in rows[1:]:
        if _recognized(later, file) * 2 >= min(len(file.columns), len(later)):
            return f"the first line must name the columns; remove the lines above line {at}, which has the column names"
    expected = ", ".join(column.name for column in file.columns[:3])
    return f"the first line must name the columns ({expected} …), but it contains other values"


def _recognized(fields: Sequence[str], file: FileFormat) -> int:
    known = [column.name for column in file.columns]
    keys = set(map(_normalize_name, known))
    return sum(1 for field in fields if _normalize_name(field) in keys or _guess(field.strip(), known, file))


def _visible_names(fields: list[str], at: int, file: FileFormat, faults: Faults) -> list[str]:
    """Return the visible names. A hidden character in a name adds a fault."""
    names = []
    known = {_normalize_name(column.name) for column in file.columns}
    for field in fields:
        name = field.strip()
        hidden = first_hidden_character(name)
        if hidden is not None:
            name = "".join(character for character in name if not is_hidden(character)).strip()
            cure = f"remove the hidden character {describe_character(hidden)} from the column's name"
            if not file.others_allowed or _normalize_name(name) in known:
                faults.add(Fault(file.name, cure, line=at, column=name, kind=FaultKind.COLUMNS))
        names.append(name)
    return names


def _find_column(known: str, names: list[str], at: int, file: FileFormat, faults: Faults) -> int | None:
    """Return the position of the column, by its name in any letter case."""
    exact = [index for index, found in enumerate(names) if found == known]
    alike = [index for index, found in enumerate(names) if _normalize_name(found) == _normalize_name(known)]
    found = exact if file.others_allowed and len(exact) == 1 else alike
    if len(found) > 1:
        cure = "this column name is repeated; use it only once"
        faults.add(Fault(file.name, cure, line=at, column=known, kind=FaultKind.COLUMNS))
    return found[0] if found else None


def _add_unknown(names: list[str], places: dict[str, int | None], at: int, file: FileFormat, faults: Faults) -> None:
    """Add faults for unknown and for missing columns. A good guess combines the two."""
    known = {_normalize_name(column.name) for column in file.columns}
    missing = [column.name for column in file.columns if places[column.name] is None]
    for index, name in enumerate(names):
        if not name or index in places.values() or _normalize_name(name) in known:
            continue
        guess = _guess(name, missing, file)
        if guess:
            missing.remove(guess)
            cure = f"not a column of this file; did you mean {guess}?"
        elif file.others_allowed:
            continue
        elif any(word in _letters_and_digits(name) for word in _MONEY_WORDS):
            cure = f"not a column of this file; amounts go in line_items.csv and postings.csv; {_SEE_FORMAT_DOCUMENT}"
        else:
            cure = f"not a column of this file; {_SEE_FORMAT_DOCUMENT}"
        faults.add(Fault(file.name, cure, line=at, column=name, kind=FaultKind.COLUMNS))
    for column in file.columns:
        if column.name in missing and not column.may_be_absent:
            cure = "missing; add it to the first line"
            faults.add(Fault(file.name, cure, line=at, column=column.name, kind=FaultKind.COLUMNS))


def _guess(name: str, missing: Sequence[str], file: FileFormat) -> str | None:
    """Return the missing column that the name probably means, or None if that is not nearly certain."""
    bare = {_letters_and_digits(column): column for column in missing}
    looked = _letters_and_digits(fold_look_alikes(name))
    if looked in bare:
        return bare[looked]
    own = file.columns[0].name
    of_own = {word + number for word in ("", _letters_and_digits(own).removesuffix("id")) for number in _ID_SUFFIXES}
    if own in missing and file.first_is_key and own.endswith("_id") and looked in of_own:
        return own
    # A different digit means a different column, as in STATUS1 and STATUS2.
    alike = [column for column in bare if _digits(column) == _digits(looked)]
    near = get_close_matches(looked, alike, n=2, cutoff=_CLOSE_MATCH_CUTOFF)
    return bare[near[0]] if len(near) == 1 else None


def _normalize_name(name: str) -> str:
    """Return the name regardless of letter case and width."""
    return normalize("NFKC", name.strip()).casefold()


def _digits(name: str) -> str:
    return "".join(filter(str.isdigit, name))


def _letters_and_digits(name: str) -> str:
    return "".join(character for character in _normalize_name(name) if character.isalnum() or character == "#")

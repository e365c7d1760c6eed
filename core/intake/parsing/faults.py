"""Faults in the files: one line for each mistake, with its count, its first places and its fix."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from http import HTTPStatus
from typing import Any, Final

from core.counting import counted
from core.errors import Refusal
from core.intake.parsing.characters import is_hidden

EXAMPLES_MAX: Final = 3  # in a sentence: enough to find the others, which are alike
PLACES_MAX: Final = 1_000  # of one mistake, for a list of them
REDACTED: Final = "(hidden)"  # names, dates of birth and people's ids are never repeated
_VALUE_CHARACTERS_MAX: Final = 60
_NAMES_MAX: Final = 20  # columns named in one line
FAULT_COLUMNS: Final = ("kind", "file", "line", "column", "value", "fix", "note")


class FaultKind(IntEnum):
    """The kind of a mistake, most important first. A later kind may be a consequence of an earlier one."""

    MISSING_FILE = 1
    COLUMNS = 2
    STRUCTURE = 3  # rows or fields cannot be split
    SPREADSHEET = 4  # a spreadsheet rewrote values, usually whole columns
    VALUE = 5
    REFERENCE = 6  # rows contradict each other, or refer to rows that are missing
    PRACTICE = 7  # rows conflict with the practice's data
    LIMIT = 8  # the user may not post this much; the files are right

    @property
    def words(self) -> str:
        """Return the cause, as a heading for people."""
        return _WORDS[self]


_WORDS: Final = {
    FaultKind.MISSING_FILE: "Missing files",
    FaultKind.COLUMNS: "Column names",
    FaultKind.STRUCTURE: "Files or rows that cannot be used",
    FaultKind.SPREADSHEET: "Values that a spreadsheet changed",
    FaultKind.VALUE: "Invalid values",
    FaultKind.REFERENCE: "Records that contradict other records or refer to missing ones",
    FaultKind.PRACTICE: "Records that conflict with the practice's data",
    FaultKind.LIMIT: "Adjustments above a per-claim limit",
}

_ACROSS_COLUMNS: Final = {
    FaultKind.COLUMNS,
    FaultKind.SPREADSHEET,
}  # kinds for which one mistake concerns several columns of a file


@dataclass(frozen=True)
class Fault:
    """One place with a fault. `line` counts from 1 at the top of the file. `note` is specific to this place."""

    file: str
    cure: str
    line: int | None = None
    column: str | None = None
    value: str | None = None
    note: str | None = None
    kind: FaultKind = FaultKind.VALUE

    @property
    def mistake(self) -> tuple[FaultKind, str, str | None, str]:
        """Return what equal mistakes have in common."""
        return self.kind, self.file, None if self.kind in _ACROSS_COLUMNS else self.column, self.cure

    def cells(self) -> tuple[str, ...]:
        """Return the place as a row of `FAULT_COLUMNS`."""
        line = "" if self.line is None else str(self.line)
        value = "" if self.value is None else _visible(self.value)
        return self.kind.name.lower(), self.file, line, self.column or "", value, self.cure, self.note or ""


@dataclass
class Mistake:
    """Equal faults: their count and their first places."""

    places: list[Fault] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, fault: Fault, *, times: int) -> None:
        """Count the fault `times` times. Keep its place if it is among the first."""
        self.count += times
        if fault.column is not None and fault.column not in self.columns:
            self.columns.append(fault.column)
        if len(self.places) < PLACES_MAX:
            self.places.append(fault)

    @property
    def first(self) -> list[Fault]:
        """Return the examples for a sentence."""
        return self.places[:EXAMPLES_MAX]

    @property
    def order(self) -> tuple[FaultKind, str, int]:
        """Return the sort key: the most important kind first, then by file and line."""
        return self.first[0].kind, self.first[0].file, self.first[0].line or 0

    def facts(self, *, places_max: int = EXAMPLES_MAX) -> dict[str, Any]:
        """Return the mistake as JSON: kind, cause, file, columns, count, `cure` (the fix) and the first places."""
        first, shown = self.first[0], self.places[:places_max]
        places = [{"line": f.line, "column": f.column, "value": f.value, "note": f.note} for f in shown]
        return {
            "kind": first.kind.name.lower(), "cause": first.kind.words, "file": first.file, "columns": self.columns,
            "count": self.count, "cure": first.cure, "places": places,
        }  # fmt: skip

    def __str__(self) -> str:
        """Return one line, such as `file, line 3, column amount, value "1,234.56": what to do`."""
        first = self.first[0]
        where = [first.file]
        alone = self.count == 1 or (first.kind is FaultKind.COLUMNS and self.count == len(self.columns))
        if alone and first.line is not None:
            where.append(f"line {first.line}")
        if self.columns:
            where.append(("column " if len(self.columns) == 1 else "columns ") + _join_names(self.columns))
        if not alone:
            rows = "row" if len(self.columns) <= 1 else "value"
            more = ", …" if self.count > len(self.first) else ""
            where.append(f"{counted(self.count, rows)} ({', '.join(map(_describe_place, self.first))}{more})")
        elif first.value is not None:
            where.append(f"value {quote_value(first.value)}")
        note = f" ({first.note})" if alone and first.note else ""
        return f"{', '.join(where)}: {first.cure}{note}"


class ImportRefused(Refusal):
    """Nothing was imported."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY

    def __init__(self, mistakes: list[Mistake]) -> None:
        """The message contains counts only, so that it may be logged. The mistakes must not be logged."""
        self.faults = sorted(mistakes, key=lambda mistake: mistake.order)
        places = sum(mistake.count for mistake in mistakes)
        where = f" in {places:,} locations" if places > len(mistakes) else ""
        super().__init__(f"Nothing was imported: {counted(len(mistakes), 'error')}{where}.")


class Faults:
    """The faults found so far, grouped by mistake, so that a million equal ones need no memory and hide no others."""

    def __init__(self, each: Callable[[Fault], None] | None = None) -> None:
        """If given, `each` is called for every single place, to list them all elsewhere."""
        self._each = each
        self._found: dict[tuple[FaultKind, str, str | None, str], Mistake] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return the number of faults."""
        return self._count

    @property
    def each(self) -> Callable[[Fault], None] | None:
        """Return what is called for every place."""
        return self._each

    @property
    def lists_every_place(self) -> bool:
        """Return whether every place is wanted, and not only the first ones."""
        return self._each is not None

    def add(self, fault: Fault, *, times: int = 1) -> None:
        """Add a fault.

        If a query returns only the first places, `times` is the count for the first and 0 for the others.
        """
        self._count += times
        if self._each is not None:
            self._each(fault)
        self._found.setdefault(fault.mistake, Mistake()).add(fault, times=times)

    @property
    def mistakes(self) -> list[Mistake]:
        """Return the faults, equal ones together."""
        return list(self._found.values())

    def refuse_if_any(self) -> None:
        """Raise `ImportRefused` if there are faults."""
        if self._found:
            raise ImportRefused(self.mistakes)


def quote_value(value: str) -> str:
    """Return the value in quotes, shortened. Invisible characters are shown as code points."""
    if value == REDACTED:
        return REDACTED
    return f'"{_visible(value)}"'


def _visible(value: str) -> str:
    """Return the value, shortened, with invisible characters as code points."""
    return "".join(f"<U+{ord(c):04X}>" if is_hidden(c) or unicodedata.combining(c) else c for c in _truncate(value))


def _truncate(value: str) -> str:
    return value if len(value) <= _VALUE_CHARACTERS_MAX else value[:_VALUE_CHARACTERS_MAX] + "…"


def _describe_place(fault: Fault) -> str:
    value = f" {quote_value(fault.value)}" if fault.value not in (None, REDACTED) else ""
    note = f" ({fault.note})" if fault.note else ""
    return f"line {fault.line}{value}{note}" if fault.line is not None else f"{fault.column}{value}{note}"


def _join_names(columns: list[str]) -> str:
    names = [_truncate(column) for column in columns[:_NAMES_MAX]]
    if len(columns) > _NAMES_MAX:
        names.append(f"{len(columns) - _NAMES_MAX:,} more")
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

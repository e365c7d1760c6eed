"""Tables as CSV and XLSX files, streamed, with a totals row. Excel and LibreOffice open both directly."""

import datetime as dt
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final

from core.claims.export import Cell, csv_pieces, escape_formula, escape_formulas, in_batches, kind_of
from core.claims.workbook_file import WorkbookFile
from core.enums.exports import DateFormat
from core.money import format_plain_amount

_TEXTS_KEPT: Final = 4_096  # of amounts, and of dates, because they repeat
_PIECE_BYTES: Final = 65_536

_write_amount: Final = lru_cache(_TEXTS_KEPT)(format_plain_amount)


_WRITE_DATE: Final[dict[DateFormat, Callable[[dt.date], str]]] = {
    DateFormat.US: lambda day: f"{day:%m/%d/%Y}",
    DateFormat.US_BARE: lambda day: f"{day.month}/{day.day}/{day.year}",
    DateFormat.US_SHORT: lambda day: f"{day:%m/%d/%y}",
    DateFormat.ISO: lambda day: f"{day:%Y-%m-%d}",
    DateFormat.COMPACT: lambda day: f"{day:%Y%m%d}",
}


@dataclass(frozen=True)
class Table:
    """A table to write. `rows` is read once."""

    head: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    date_format: DateFormat = DateFormat.US
    totals_row: bool = True
    unsummed: Collection[str] = ()  # headings of amounts that repeat, so that their sum would be meaningless


class _Totals:
    """The sums of the columns with amounts."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._cents: dict[int, int] = {}

    def add(self, columns: Sequence[Sequence[Cell]]) -> None:
        """Add the amounts of some rows."""
        for number, column in enumerate(columns):
            kind = kind_of(column)
            if kind is str or kind is dt.date:
                continue
            amounts = [cell for cell in column if isinstance(cell, int)]
            if amounts:
                self._cents[number] = self._cents.get(number, 0) + sum(amounts)

    def row(self) -> list[Cell]:
        """Return the totals row, or an empty list if the table has no amounts or no totals row is wanted."""
        head = self._table.head
        if not self._table.totals_row or not self._cents:
            return []
        summed = {column: cents for column, cents in self._cents.items() if head[column] not in self._table.unsummed}
        label = next((column for column in range(len(head)) if column not in self._cents), None)
        return ["Total" if column == label else summed.get(column, "") for column in range(len(head))]


def table_file(table: Table, form: str) -> Iterator[str] | Iterator[bytes]:
    """Yield the file as `csv` or `xlsx`, in pieces."""
    return csv_file(table) if form == "csv" else xlsx_file(table)


def csv_file(table: Table) -> Iterator[str]:
    """Yield the file as CSV, in pieces. Text that a spreadsheet would treat as a formula is escaped."""
    return csv_pieces(map(escape_formula, table.head), _csv_rows(table))


def _csv_rows(table: Table) -> Iterator[tuple[str, ...]]:
    write_date = lru_cache(_TEXTS_KEPT)(_WRITE_DATE[table.date_format])

    def text(cell: Cell) -> str:
        if isinstance(cell, int):
            return _write_amount(cell)
        return write_date(cell) if isinstance(cell, dt.date) else escape_formula(cell)

    by_kind: dict[type | None, Callable[[Any], Iterable[str]]] = {
        str: escape_formulas,
        int: partial(map, _write_amount),
        dt.date: partial(map, write_date),
    }
    in_general: Callable[[Any], Iterable[str]] = partial(map, text)
    for columns, _ in _batches(table):
        texts = [by_kind.get(kind_of(column), in_general)(column) for column in columns]
        yield from zip(*texts, strict=True)


def _batches(table: Table) -> Iterator[tuple[list[Sequence[Cell]], bool]]:
    """Yield the columns of some rows at a time. At the end, yield the totals row, and True."""
    totals = _Totals(table)
    for rows in in_batches(table.rows):
        columns: list[Sequence[Cell]] = list(zip(*rows, strict=True))
        totals.add(columns)
        yield columns, False
    if last := totals.row():
        yield [(cell,) for cell in last], True


def xlsx_file(table: Table) -> Iterator[bytes]:
    """Yield the file as XLSX, in pieces. Text is written as text cells: IDs keep all digits, and nothing is a formula.

    The first pieces are empty, one for every few rows written, so that the caller can pause between them.
    """
    with tempfile.TemporaryFile(prefix="settle-") as file:
        with WorkbookFile(file, table.head, date_format=table.date_format.value.lower()) as book:
            for columns, is_total in _batches(table):
                book.write(columns, is_total=is_total)
                yield b""
        file.seek(0)
        while piece := file.read(_PIECE_BYTES):
            yield piece

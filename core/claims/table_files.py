"""Tables as CSV and XLSX files, streamed, with a totals row. Excel and LibreOffice open both directly."""

import datetime as dt
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import xlsxwriter

from core.claims.export import ROWS_PER_PIECE, csv_pieces, escape_formula
from core.money import format_plain_amount

SHEET_ROWS_MAX: Final = 1_048_574  # rows on an XLSX sheet, without header and totals; more rows start a new sheet
_PIECE_BYTES: Final = 65_536

Cell = str | int | dt.date  # a text, an amount in cents, or a date


class DateFormat(StrEnum):
    """How a file writes dates. An XLSX file contains real dates and displays them in this format."""

    US = "MM/DD/YYYY"
    US_BARE = "M/D/YYYY"
    US_SHORT = "MM/DD/YY"
    ISO = "YYYY-MM-DD"
    COMPACT = "YYYYMMDD"


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

    def add(self, row: Sequence[Cell]) -> None:
        """Add the amounts of a row."""
        for column, cell in enumerate(row):
            if isinstance(cell, int):
                self._cents[column] = self._cents.get(column, 0) + cell

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


def _csv_rows(table: Table) -> Iterator[list[str]]:
    totals, write_date = _Totals(table), _WRITE_DATE[table.date_format]

    def text(cell: Cell) -> str:
        if isinstance(cell, int):
            return format_plain_amount(cell)
        return write_date(cell) if isinstance(cell, dt.date) else escape_formula(cell)

    for row in table.rows:
        totals.add(row)
        yield [text(cell) for cell in row]
    if last := totals.row():
        yield [text(cell) for cell in last]


def xlsx_file(table: Table) -> Iterator[bytes]:
    """Yield the file as XLSX, in pieces. Text is written as text cells: IDs keep all digits, and nothing is a formula.

    The first pieces are empty, one for every few rows written, so that the caller can pause between them.
    """
    with tempfile.TemporaryDirectory(prefix="settle-") as folder:
        path = Path(folder) / "table.xlsx"
        yield from (b"" for _ in _write_workbook(path, table))
        with path.open("rb") as written:
            while piece := written.read(_PIECE_BYTES):
                yield piece


def _write_workbook(path: Path, table: Table) -> Iterator[None]:
    """Write the workbook and yield after every few rows."""
    # Constant memory: each row is on disk when the next one begins.
    with xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": str(path.parent)}) as book:
        sheets, totals = _Sheets(book, table), _Totals(table)
        for count, row in enumerate(table.rows):
            totals.add(row)
            sheets.write(row)
            if count % ROWS_PER_PIECE == 0:
                yield
        if last := totals.row():
            sheets.write(last, is_total=True)


class _Sheets:
    """The sheets in a workbook. When one is full, a new one with the same header begins."""

    def __init__(self, book: Any, table: Table) -> None:
        self._book, self._head = book, table.head
        date = table.date_format.value.lower()
        self._bold = book.add_format({"bold": True})
        self._formats = {
            is_total: (
                book.add_format({"bold": is_total}),
                book.add_format({"bold": is_total, "num_format": "#,##0.00"}),
                book.add_format({"bold": is_total, "num_format": date}),
            )
            for is_total in (False, True)
        }
        self._begin()

    def _begin(self) -> None:
        self._sheet, self._written = self._book.add_worksheet(), 0
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(self._head) - 1, 18)
        for column, title in enumerate(self._head):
            self._sheet.write_string(0, column, title, self._bold)

    def write(self, row: Sequence[Cell], *, is_total: bool = False) -> None:
        """Write the next row."""
        if self._written == SHEET_ROWS_MAX and not is_total:
            self._begin()
        self._written += 1
        text, money, date = self._formats[is_total]
        for column, cell in enumerate(row):
            if isinstance(cell, int):
                # xlsxwriter writes 16 digits of a number. A float of 8.19 would become 8.190000000000001.
                self._sheet.write_number(self._written, column, Decimal(cell) / 100, money)
            elif isinstance(cell, dt.date):
                self._sheet.write_datetime(self._written, column, cell, date)
            else:
                self._sheet.write_string(self._written, column, cell, text)

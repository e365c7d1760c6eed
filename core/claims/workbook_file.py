"""An XLSX file that is written a few rows at a time.

xlsxwriter makes everything but the rows: an empty workbook with the same sheets, from which the other parts are taken.
It takes five times as long to write the cells.
"""

import datetime as dt
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import IO, Any, Final, Self
from xml.sax.saxutils import escape

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

from core.claims.export import Cell, kind_of
from core.money import format_plain_amount

SHEET_ROWS_MAX: Final = 1_048_574  # rows on an XLSX sheet, without header and totals; more rows start a new sheet
SHEET_BYTES_MAX: Final = 2_000_000_000  # of its XML, because old readers cannot unzip 2 GiB
TEXT_LENGTH_MAX: Final = 32_767  # of a cell in Excel; the rest is cut off
_NUMBERS_KEPT: Final = 4_096  # as text, because amounts and dates repeat

_DAY_BEFORE_EXCEL: Final = dt.date(1899, 12, 31)
_FEBRUARY_OF_1900: Final = 59  # its last day; Excel counts one more
# A text with one of these needs an escape. `_x000A_` stands for a line feed, so a text that contains it needs one too.
_UNUSUAL: Final = ("&", "<", ">", "_x", "| ", " |")
_LIKE_AN_ESCAPE: Final = re.compile(r"_(?=x[0-9a-fA-F]{4}_)")
_NOT_XML: Final = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")

_Writers = dict[type | None, Callable[[Any], str]]


class WorkbookFile:
    """The workbook. When a sheet is full, a new one with the same header begins."""

    def __init__(self, file: IO[bytes], head: Sequence[str], *, date_format: str) -> None:
        """Begin the first sheet."""
        self._head, self._date_format = head, date_format
        self._letters = [xl_col_to_name(number) for number in range(len(head))]
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self._sheets = 0
        self._begin_sheet()

    def write(self, columns: Sequence[Sequence[Cell]], *, is_total: bool = False) -> None:
        """Write the next rows, given as columns."""
        left = len(columns[0])
        while not is_total and left > (room := self._room()):
            if room:
                self._write([column[:room] for column in columns], self._plain)
            columns, left = [column[room:] for column in columns], left - room
            self._end_sheet()
            self._begin_sheet()
        self._write(columns, self._bold if is_total else self._plain)

    def __enter__(self) -> Self:
        """Return the workbook."""
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """End the last sheet and write the other parts. After an error, only close everything."""
        if error is None:
            self._end_sheet()
            for name, part in self._frame().items():
                if not name.startswith("xl/worksheets/"):
                    self._zip.writestr(name, part)
            self._zip.close()
            return
        with suppress(OSError):  # if the disk is full, closing fails like the write before it
            self._sheet.close()
        with suppress(OSError):
            self._zip.close()

    def _room(self) -> int:
        """Return how many rows the sheet still takes."""
        return SHEET_ROWS_MAX - self._rows if self._bytes < SHEET_BYTES_MAX else 0

    def _write(self, columns: Sequence[Sequence[Cell]], writers: _Writers) -> None:
        first = self._rows + 2  # after the header
        numbers = range(first, first + len(columns[0]))
        cells = [
            _cells(letter, numbers, column, writers) for letter, column in zip(self._letters, columns, strict=True)
        ]
        begins = [f'<row r="{number}">' for number in numbers]
        rows = "</row>".join(map("".join, zip(begins, *cells, strict=True)))
        self._bytes += self._sheet.write(f"{rows}</row>".encode())
        self._rows += len(numbers)

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._rows = self._bytes = 0
        name = f"xl/worksheets/sheet{self._sheets}.xml"
        xml = self._frame()[name]
        styles = re.findall(rb'<c r="[A-F]2" s="(\d+)"', xml)
        self._plain, self._bold = _writers(*map(int, styles[:3])), _writers(*map(int, styles[3:]))
        # The frame's size of the sheet would be wrong. It is optional.
        before, _, _ = re.sub(rb"<dimension [^>]*>", b"", xml).partition(b'<row r="2"')
        self._after = xml[xml.index(b"</sheetData>") :]
        self._sheet = self._zip.open(name, "w")
        self._sheet.write(before)

    def _end_sheet(self) -> None:
        self._sheet.write(self._after)
        self._sheet.close()

    def _frame(self) -> dict[str, bytes]:
        """Return the parts of a workbook with as many sheets. Under the header, each has a cell of each style."""
        content = io.BytesIO()
        with xlsxwriter.Workbook(content, {"constant_memory": True}) as book:  # texts in their cells
            bold = book.add_format({"bold": True})
            samples = [
                (book.add_format({"bold": is_bold, **more}), value)
                for is_bold in (False, True)
                for more, value in (({}, 0), ({"num_format": "#,##0.00"}, 0), ({"num_format": self._date_format}, 0))
            ]
            for _ in range(self._sheets):
                sheet = book.add_worksheet()
                sheet.freeze_panes(1, 0)
                sheet.set_column(0, len(self._head) - 1, 18)
                for column, title in enumerate(self._head):
                    sheet.write_string(0, column, title, bold)
                for column, (style, value) in enumerate(samples):
                    sheet.write_number(1, column, value, style)
        with zipfile.ZipFile(content) as parts:
            return {name: parts.read(name) for name in parts.namelist()}


def _writers(text: int, money: int, date: int) -> _Writers:
    """Return functions that write a cell after its place, given the styles of each kind."""
    return {
        str: lambda value: f'" s="{text}" t="inlineStr"><is><t>{value}</t></is></c>',
        int: lru_cache(_NUMBERS_KEPT)(lambda cents: f'" s="{money}"><v>{_number(cents)}</v></c>'),
        dt.date: lru_cache(_NUMBERS_KEPT)(lambda day: f'" s="{date}"><v>{_serial(day)}</v></c>'),
        None: lambda value: f'" s="{text}" t="inlineStr"><is>{_escaped(value)}</is></c>',  # unusual text
    }


def _cells(letter: str, numbers: range, column: Sequence[Cell], writers: _Writers) -> list[str]:
    """Return a column's cells."""
    kind = kind_of(column)
    if kind is str and not _is_usual(column):
        kind = None
    if kind in (str, int, dt.date):
        contents: Iterable[str] = map(writers[kind], column)
    else:
        contents = (writers[_base(cell)](cell) for cell in column)
    return [f'<c r="{letter}{number}{content}' for number, content in zip(numbers, contents, strict=True)]


def _base(cell: Cell) -> type | None:
    return int if isinstance(cell, int) else dt.date if isinstance(cell, dt.date) else None


def _is_usual(texts: Sequence[Any]) -> bool:
    """Return whether no text needs an escape. Joined, they are checked in a tenth of the time."""
    joined = f"|{'|'.join(texts)}|"
    return joined.isprintable() and len(joined) <= TEXT_LENGTH_MAX and not any(sign in joined for sign in _UNUSUAL)


def _escaped(text: str) -> str:
    """Return the element of a text."""
    cut = _LIKE_AN_ESCAPE.sub("_x005F_", text[:TEXT_LENGTH_MAX])
    escaped = escape(_NOT_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", cut))
    return f'<t xml:space="preserve">{escaped}</t>' if text != text.strip() else f"<t>{escaped}</t>"


def _number(cents: int) -> str:
    """Return dollars as Excel writes them: 1050 → "10.5"."""
    return format_plain_amount(cents).rstrip("0").removesuffix(".")


def _serial(day: dt.date) -> int:
    """Return the day as Excel counts it."""
    days = (day - _DAY_BEFORE_EXCEL).days
    return days + 1 if days > _FEBRUARY_OF_1900 else days

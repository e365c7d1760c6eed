"""Read an XLSX workbook row by row, after checks that calamine does not make.

calamine holds a whole sheet in memory and returns the values that Excel stored for formulas. So the sheet's XML is
scanned first, in pieces, for its size and for formulas without a stored value.
"""

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from core.intake.mapping.amounts import number_text
from core.intake.parsing.lines import UnreadableFile

CELLS_MAX: Final = 5_000_000  # calamine needs about 90 bytes for each
CELLS_OF_REQUEST_MAX: Final = 500_000  # for one web request, because its process also serves others
XML_BYTES_MAX: Final = 800_000_000  # unpacked; calamine reads all texts at once when it opens the file
XML_BYTES_OF_REQUEST_MAX: Final = 60_000_000
_PIECE_BYTES: Final = 1_000_000
_OVERLAP_BYTES: Final = 4_096  # so that no cell is cut in two
_OLE: Final = b"\xd0\xcf\x11\xe0"
_ROW: Final = re.compile(rb'<(?:\w+:)?row [^>]*?\br="(\d+)"')
_CELL: Final = re.compile(rb"<(?:\w+:)?c[ />]")  # including cells without a reference, which is optional
_WIDE_CELL: Final = re.compile(rb'<(?:\w+:)?c r="([A-Z]{2,3})\d')
_CELL_MAX: Final = rb'(?P<ref>[A-Z]+\d+)"(?![^>]*t="str")[^>]*>'
_NO_VALUE: Final = re.compile(rb'<c r="' + _CELL_MAX + rb"<f[^<]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v></v>)?\s*</c>")
_ERROR: Final = re.compile(
    rb'<c r="(?P<column>[A-Z]+)(?P<row>\d+)"[^>]*\bt="e"[^>]*>(?:<f[^<]*(?:/>|>[^<]*</f>))?\s*<v>(?P<text>[^<]*)</v>'
)
_ERRORS_MAX: Final = 10_000  # rows with an error, in one sheet
LETTERS: Final = 26


def is_workbook(head: bytes) -> bool:
    """Return whether a file that begins with `head` is an XLSX workbook, possibly one with a password."""
    return (
        head.startswith(b"PK\x03\x04") and any(part in head for part in (b"[Content_Types]", b"xl/", b"_rels/"))
    ) or (head.startswith(_OLE))


class Workbook:
    """An open workbook."""

    def __init__(self, path: Path, *, cells_max: int = CELLS_MAX) -> None:
        """Open the workbook. Raise `UnreadableFile` with the fix."""
        _refuse_large(path, XML_BYTES_MAX if cells_max > CELLS_OF_REQUEST_MAX else XML_BYTES_OF_REQUEST_MAX)
        self._path = path
        self._cells_max = cells_max
        self._errors: dict[int, dict[int, str]] = {}  # by row and column, because calamine reads them as empty
        self.merged_rows: set[int] = set()  # of the rows read so far
        try:
            self._book = CalamineWorkbook.from_path(path)
        except PasswordError:
            raise UnreadableFile("the workbook has a password; remove it in Excel and save it again", 1) from None
        except (CalamineError, OSError):
            cure = "this is an old Excel workbook (XLS) or it is damaged; open it in Excel and save it as XLSX"
            raise UnreadableFile(cure, 1) from None
        if not zipfile.is_zipfile(path):
            raise UnreadableFile("this is an old Excel workbook (XLS); open it in Excel and save it as XLSX", 1)

    @property
    def sheets(self) -> list[str]:
        """Return the names of the visible worksheets."""
        return [
            one.name
            for one in self._book.sheets_metadata
            if one.visible == SheetVisibleEnum.Visible and one.typ == SheetTypeEnum.WorkSheet
        ]

    def close(self) -> None:
        """Close the file."""
        self._book.close()

    def rows(self, sheet: str) -> Iterator[tuple[int, list[str]]]:
        """Yield the sheet's rows as text, numbered as in Excel. Raise `UnreadableFile` with the line and the fix."""
        self._scan(sheet)
        try:
            cells = self._book.get_sheet_by_name(sheet)
        except CalamineError:
            raise UnreadableFile("the workbook is damaged; open it in Excel and save it again", 1) from None
        if cells.start is None:
            return
        first_column = cells.start[1]
        merged = {row for (top, _), (bottom, _) in cells.merged_cell_ranges or [] for row in range(top, bottom + 1)}
        for number, row in enumerate(cells.iter_rows(), start=1):
            if number - 1 in merged:
                self.merged_rows.add(number)
            texts = [*[""] * first_column, *map(cell_text, row)]
            for column, shown in self._errors.get(number, {}).items():
                texts[column - 1] = shown
            yield number, texts

    def _scan(self, sheet: str) -> None:
        """Refuse a sheet that would need too much memory or has formulas without a stored value."""
        rows = columns = cells = 0
        for piece in self._pieces(sheet):
            numbers = _ROW.findall(piece)
            rows = max(rows, *map(int, numbers[-1:]), 0) if numbers else rows
            columns = max(columns, max(map(column_number, _WIDE_CELL.findall(piece)), default=LETTERS))
            cells += len(_CELL.findall(piece)) - len(_CELL.findall(piece[:_OVERLAP_BYTES] if cells else b""))
            if max(rows * columns, cells) > self._cells_max:
                cure = (
                    f"the sheet spans {rows:,} rows and {columns:,} columns, more than {self._cells_max:,} cells; "
                    "delete empty rows and columns, or save it as CSV UTF-8"
                )
                raise UnreadableFile(cure, rows)
            for found in _ERROR.finditer(piece):
                self._errors.setdefault(int(found["row"]), {})[column_number(found["column"])] = found["text"].decode()
            if len(self._errors) > _ERRORS_MAX:
                raise UnreadableFile(f"more than {_ERRORS_MAX:,} rows show an error; correct it in Excel", rows)
            bare = _NO_VALUE.search(piece)
            if bare is not None:
                place = bare["ref"].decode()
                raise UnreadableFile(
                    f"cell {place} has a formula without a stored value; open the workbook in Excel and save it again",
                    int(re.sub(r"\D", "", place)),
                )

    def _pieces(self, sheet: str) -> Iterator[bytes]:
        """Yield the sheet's XML in pieces that overlap. Raise `UnreadableFile`."""
        tail = b""
        try:
            with zipfile.ZipFile(self._path) as packed, packed.open(_part_of_sheet(packed, sheet)) as xml:
                while piece := xml.read(_PIECE_BYTES):
                    yield tail + piece
                    tail = piece[-_OVERLAP_BYTES:]
        except (zipfile.BadZipFile, KeyError, EOFError, OSError):
            raise UnreadableFile("the workbook is damaged; open it in Excel and save it again", 1) from None


def _refuse_large(path: Path, most: int) -> None:
    """Refuse a workbook that unpacks to more than `most` bytes, before anything reads it."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as packed:
        size = sum(part.file_size for part in packed.infolist())
    if size > most:
        cure = f"the workbook unpacks to more than {most // 1_000_000} MB; split it, or save it as CSV UTF-8"
        raise UnreadableFile(cure, 1)


def _part_of_sheet(packed: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of the sheet's XML part, by the workbook's own list."""
    book = packed.read("xl/workbook.xml").decode("utf-8", "replace")
    links = packed.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    for tag in re.findall(r"<(?:\w+:)?sheet\b[^>]*>", book):
        name, link = re.search(r'\bname="([^"]*)"', tag), re.search(r'\b\w+:id="([^"]*)"', tag)
        if name is None or link is None or unescape(name[1]) != sheet:
            continue
        for relation in re.findall(r"<(?:\w+:)?Relationship\b[^>]*>", links):
            target = re.search(r'\bTarget="([^"]*)"', relation)
            if f'Id="{link[1]}"' in relation and target is not None:
                return target[1].removeprefix("/") if target[1].startswith("/") else f"xl/{target[1]}"
    raise KeyError(sheet)


def column_number(letters: bytes) -> int:
    """Return the number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * LETTERS + letter - ord("A") + 1
    return number


def cell_text(value: Any) -> str:
    """Return a cell as text: dates as YYYY-MM-DD, whole numbers without a point."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, dt.datetime):
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value) if isinstance(value, dt.timedelta) else number_text(value)

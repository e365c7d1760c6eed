"""Read an XLSX workbook row by row, after checks that calamine does not make.

calamine holds a whole sheet in memory and returns the values that Excel stored for formulas. So the sheet's XML is
scanned first, in pieces, for its size and for formulas without a stored value.
"""

import datetime as dt
import re
import zipfile
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, Final

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from core.intake.mapping.amounts import number_text
from core.intake.mapping.workbook_scan import DAMAGED, SheetScan
from core.intake.parsing.lines import UnreadableFile

CELLS_MAX: Final = 5_000_000  # calamine needs about 90 bytes for each
CELLS_OF_REQUEST_MAX: Final = 500_000  # for one web request, because its process also serves others
XML_BYTES_MAX: Final = 800_000_000  # unpacked; calamine reads all texts at once when it opens the file
XML_BYTES_OF_REQUEST_MAX: Final = 60_000_000
_PIECE_BYTES: Final = 1_000_000
TEXT_BYTES_MAX: Final = 250_000_000  # unpacked; calamine holds all text that cells share, from opening on
TEXT_BYTES_OF_CELL: Final = 100
RATIO_MAX: Final = 200  # sheets shrink to a tenth or a fiftieth; a bomb to a thousandth
SMALL_BYTES: Final = 10_000_000  # a small part may shrink to any size
_READ_AT_ONCE: Final = ("sharedstrings.xml", "styles.xml", "workbook.xml", ".rels")
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, KeyError, EOFError, OSError, NotImplementedError, RuntimeError)
_SMALLER: Final = "split it, or save it as CSV UTF-8"
_BOOK: Final = "xl/workbook.xml"
_CALCULATE_ON_OPEN: Final = re.compile(rb"<(?:\w+:)?calcPr\s[^>]*?\bfullCalcOnLoad\s*=\s*[\"'](?:1|true)[\"']")
_OLE: Final = b"\xd0\xcf\x11\xe0"


def is_workbook(head: bytes) -> bool:
    """Return whether a file that begins with `head` is an XLSX workbook, possibly one with a password."""
    return (
        head.startswith(b"PK\x03\x04") and any(part in head for part in (b"[Content_Types]", b"xl/", b"_rels/"))
    ) or (head.startswith(_OLE))


class Workbook:
    """An open workbook."""

    def __init__(self, path: Path, *, cells_max: int = CELLS_MAX) -> None:
        """Open the workbook. Raise `UnreadableFile` with the fix."""
        most = XML_BYTES_MAX if cells_max > CELLS_OF_REQUEST_MAX else XML_BYTES_OF_REQUEST_MAX
        _refuse_large(path, most, cells_max)
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
            raise UnreadableFile(DAMAGED, 1) from None
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
        try:
            with zipfile.ZipFile(self._path) as packed:
                scan = SheetScan(self._cells_max, is_calculated=not _CALCULATE_ON_OPEN.search(packed.read(_BOOK)))
                scan.read(_blocks(packed, _part_of_sheet(packed, sheet)))
        except _BROKEN:
            raise UnreadableFile(DAMAGED, 1) from None
        self._errors = scan.errors


def _blocks(packed: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """Yield the part in pieces. Raise `zipfile.BadZipFile` at its end if it is not what it claims to be."""
    with packed.open(part) as xml:
        while piece := xml.read(_PIECE_BYTES):
            yield piece


def _refuse_large(path: Path, most: int, cells_max: int) -> None:
    """Refuse a workbook that unpacks to more than `most` bytes or has too many texts, before calamine reads it."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
            if len({part.filename.casefold() for part in parts}) < len(parts):
                raise UnreadableFile(DAMAGED, 1)
            if sum(part.file_size for part in parts) > most:
                raise UnreadableFile(_too_large(most), 1)
            for part in parts:
                if part.file_size > max(SMALL_BYTES, RATIO_MAX * part.compress_size):
                    cure = f"a part of the workbook unpacks to more than {RATIO_MAX} times its size; {_SMALLER}"
                    raise UnreadableFile(cure, 1)
                if part.filename.casefold().endswith(_READ_AT_ONCE):
                    _check_texts(packed, part, cells_max)
    except _BROKEN:
        raise UnreadableFile(DAMAGED, 1) from None


def _check_texts(packed: zipfile.ZipFile, part: zipfile.ZipInfo, cells_max: int) -> None:
    """Refuse a part that calamine would hold whole in memory and that is too large, or not as large as it says."""
    most = min(TEXT_BYTES_MAX, TEXT_BYTES_OF_CELL * cells_max)
    if part.file_size > most:
        raise UnreadableFile(_too_large(most, "the workbook's text unpacks"), 1)
    texts = 0
    for block in _blocks(packed, part.filename):
        texts += block.count(b"<si") + block.count(b":si")
        if texts > 2 * cells_max:  # a prefixed end tag counts too
            raise UnreadableFile(f"the workbook has more than {cells_max:,} text values; {_SMALLER}", 1)


def _too_large(most: int, what: str = "the workbook unpacks") -> str:
    return f"{what} to more than {most // 1_000_000} MB; {_SMALLER}"


def _part_of_sheet(packed: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of the sheet's XML part, by the workbook's own list. Raise `KeyError` unless there is one."""
    book = packed.read(_BOOK).decode("utf-8", "replace")
    links = packed.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    if "<!" in book + links:  # a comment could hide which part calamine will read
        raise KeyError(sheet)
    tags = re.findall(r"<(?:\w+:)?sheet\b[^>]*>", book)
    ids = [_attribute(tag, r"\w+:id") for tag in tags if unescape(_attribute(tag, "name")) == sheet]
    relations = re.findall(r"<(?:\w+:)?Relationship\b[^>]*>", links)
    targets = [_attribute(one, "Target") for one in relations if _attribute(one, "Id") in ids]
    if len(ids) != 1 or len(targets) != 1:
        raise KeyError(sheet)
    target = targets[0].removeprefix("/")
    return target if target.startswith("xl/") or target != targets[0] else f"xl/{target}"


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf"""\s{name}\s*=\s*(["'])(.*?)\1""", tag)
    return "" if found is None else found[2]


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

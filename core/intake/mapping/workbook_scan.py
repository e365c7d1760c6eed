"""Check the XML of a sheet before calamine reads it.

calamine allocates memory for every cell up to the farthest row and column, and ends the process if that fails. It
reads an error, or a formula without a stored value, as an empty cell. So every tag of a row, a cell or a formula must
be understood here. A sheet with a tag that is not understood is refused.

No group repeats possessively: Python before 3.11.5 then rejects valid tags. Single characters may.
"""

import re
from collections.abc import Iterator
from typing import Final

from core.intake.parsing.lines import UnreadableFile

DAMAGED: Final = "the workbook is damaged; open it in Excel and save it again"
LETTERS: Final = 26
_ROW_BYTES_MAX: Final = 32_000_000
_ERRORS_MAX: Final = 10_000  # rows with an error, in one sheet
_UNCLEAR: Final = "the sheet has cells that cannot be read safely; open the workbook in Excel and save it again"
_P: Final = rb"(?:[^\s<>/:]*+:)*"  # a namespace prefix, which some programs write
_NAME: Final = rb"[^\s<>\"'=/]++\s*+=\s*+"
_VALUE: Final = rb"(?:\"[^\"<>]*+\"|'[^'<>]*+')"
_ATTRIBUTES: Final = rb"(?:\s++" + _NAME + _VALUE + rb")*"
_END: Final = rb"\s*+/?+>"
_BEFORE_R: Final = rb"(?:\s++(?!r\s*+=)" + _NAME + _VALUE + rb")*\s++r\s*+=\s*+[\"']"
_AFTER_R: Final = rb"[\"']" + _ATTRIBUTES + _END
_REF: Final = rb"([A-Za-z]{1,3})([0-9]{1,7})"
_ROW: Final = re.compile(rb"<" + _P + rb"row(?=[\s/>])")
_NUMBERED_ROW: Final = re.compile(rb"<" + _P + rb"row" + _BEFORE_R + rb"([0-9]{1,7})" + _AFTER_R)
_UNNUMBERED_ROW: Final = re.compile(
    rb"<" + _P + rb"row(?:\s++(?!r\s*+=)" + _NAME + _VALUE + rb")*" + _END,
)
_CELL: Final = re.compile(rb"<" + _P + rb"c(?=[\s/>])")
_EXCELS_CELL: Final = re.compile(b'<c r="' + _REF + b'"')  # faster, and enough if every cell begins like this
_PLACED_CELL: Final = re.compile(rb"<" + _P + rb"c" + _BEFORE_R + _REF + _AFTER_R)
_UNPLACED_CELL: Final = re.compile(rb"<" + _P + rb"c(?:\s++(?!r\s*+=)" + _NAME + _VALUE + rb")*" + _END)
_FORMULA: Final = re.compile(rb"<" + _P + rb"f(?=[\s/>])")
_F: Final = rb"<" + _P + rb"f" + _ATTRIBUTES + rb"\s*+(?:/>|>[^<]*+</" + _P + rb"f\s*+>)\s*+"
_V: Final = rb"<" + _P + rb"v" + _ATTRIBUTES + rb"\s*+(?:/>|>(?P<text>[^<]*+)</" + _P + rb"v\s*+>)"
_FORMULA_CELL: Final = re.compile(
    rb"<" + _P + rb"c(?P<attributes>" + _ATTRIBUTES + rb")\s*+>\s*+" + _F + rb"(?P<value>" + _V + rb")?"
)
_TYPE_E: Final = re.compile(rb"<" + _P + rb"c(?=\s)[^<>]*?\bt\s*+=\s*+[\"']e[\"']")
_ERROR_CELL: Final = re.compile(rb"<" + _P + rb"c(?P<attributes>" + _ATTRIBUTES + rb")\s*+>\s*+(?:" + _F + rb")?" + _V)
_IS_ERROR: Final = re.compile(rb"\st\s*+=\s*+[\"']e[\"']")
_IS_TEXT: Final = re.compile(rb"\st\s*+=\s*+[\"']str[\"']")
_ZERO: Final = re.compile(rb"-?0+(?:\.0*)?")
_PLACE: Final = re.compile(_BEFORE_R + _REF + rb"[\"']")
_DATA: Final = re.compile(rb"<" + _P + rb"sheetData(?=[\s/>])")
_DATA_END: Final = re.compile(rb"</" + _P + rb"sheetData(?=[\s>])")


class SheetScan:
    """What a sheet's XML says about its size and its errors."""

    def __init__(self, cells_max: int, *, is_calculated: bool = True) -> None:
        """Begin before the first piece. `is_calculated`: the program that wrote the workbook calculated formulas."""
        self._cells_max = cells_max
        self._is_calculated = is_calculated
        self._first_zero: UnreadableFile | None = None  # at the first formula, while all of them are stored as 0
        self._rows = self._cells = 0
        self._columns = LETTERS
        self._started = self._ended = False
        self.errors: dict[int, dict[int, str]] = {}  # by row and column, because calamine reads them as empty

    def read(self, blocks: Iterator[bytes]) -> None:
        """Check the whole sheet. Raise `UnreadableFile` with the line and the fix."""
        rest = b""
        for block in blocks:  # to the end, because the checksum is compared there
            if self._ended:
                continue
            rest += block
            cut = _last_row(rest)
            if cut:
                self._check(rest[:cut])
                rest = rest[cut:]
            if len(rest) > _ROW_BYTES_MAX:
                raise UnreadableFile(_UNCLEAR, self._rows + 1)
        if not self._ended:
            self._check(rest)
        if self._first_zero is not None and not self._is_calculated:
            raise self._first_zero

    def _check(self, piece: bytes) -> None:
        """Check some whole rows."""
        if b"<!" in piece or b"\0" in piece:  # comments, CDATA, entities, UTF-16
            raise UnreadableFile(_UNCLEAR, self._rows + 1)
        if not self._started:
            data = _DATA.search(piece)
            if data is None:
                return
            self._started = True
            piece = piece[data.end() :]
        end = _DATA_END.search(piece) if b"sheetData" in piece else None
        if end is not None:
            self._ended = True
            piece = piece[: end.start()]
        self._check_size(piece)
        if _may_have_errors(piece):
            self._check_errors(piece)
        if b"<f" in piece or b":f" in piece:
            self._check_formulas(piece)

    def _check_size(self, piece: bytes) -> None:
        """Refuse a sheet that would need too much memory."""
        numbers = _NUMBERED_ROW.findall(piece)
        rows = len(_ROW.findall(piece))
        unnumbered = rows - len(numbers)
        if unnumbered and len(_UNNUMBERED_ROW.findall(piece)) != unnumbered:
            raise UnreadableFile(_UNCLEAR, self._rows + 1)
        cells = len(_CELL.findall(piece))
        places = _EXCELS_CELL.findall(piece)
        if len(places) != cells or _may_have_errors(piece):
            places = _PLACED_CELL.findall(piece)
        letters = {place[0] for place in places}
        widest = max(map(column_number, letters), default=0)
        if len(places) != cells:
            widest += self._unplaced_cells(piece, cells - len(places))
        lowest = max(map(int, {place[1] for place in places}), default=0)
        self._rows = max(self._rows, lowest, max(map(int, numbers), default=0)) + unnumbered
        self._columns = max(self._columns, widest)
        self._cells += cells
        if max(self._rows * self._columns, self._cells) > self._cells_max:
            cure = (
                f"the sheet spans {self._rows:,} rows and {self._columns:,} columns, more than {self._cells_max:,} "
                "cells; delete empty rows and columns, or save it as CSV UTF-8"
            )
            raise UnreadableFile(cure, self._rows)

    def _unplaced_cells(self, piece: bytes, expected: int) -> int:
        """Return the largest number of cells without a reference in any row."""
        counts = [len(_UNPLACED_CELL.findall(row)) for row in _ROW.split(piece)]
        if sum(counts) != expected:
            raise UnreadableFile(_UNCLEAR, self._rows + 1)
        return max(counts)

    def _check_errors(self, piece: bytes) -> None:
        """Record the errors by row and column."""
        understood = 0
        for found in _ERROR_CELL.finditer(piece):
            place = _PLACE.match(found["attributes"])
            if _IS_ERROR.search(found["attributes"]) and place is not None and found["text"]:
                understood += 1
                self.errors.setdefault(int(place[2]), {})[column_number(place[1])] = found["text"].decode()
        if understood != len(_TYPE_E.findall(piece)):
            raise UnreadableFile(_UNCLEAR, self._rows)
        if len(self.errors) > _ERRORS_MAX:
            raise UnreadableFile(f"more than {_ERRORS_MAX:,} rows show an error; correct them in Excel", self._rows)

    def _check_formulas(self, piece: bytes) -> None:
        """Refuse a formula without a stored value. An empty string counts as a value.

        Some programs store 0 for every formula and let Excel calculate when it opens the workbook.
        """
        understood = 0
        for found in _FORMULA_CELL.finditer(piece):
            understood += 1
            is_text = found["value"] is not None and _IS_TEXT.search(found["attributes"])
            stored = (found["text"] or b"").strip()
            if is_text or (stored and not _ZERO.fullmatch(stored)):
                self._is_calculated = True
            elif not stored:
                raise self._not_calculated(found["attributes"])
            elif self._first_zero is None:
                self._first_zero = self._not_calculated(found["attributes"])
        if understood != len(_FORMULA.findall(piece)):
            raise UnreadableFile(_UNCLEAR, self._rows)

    def _not_calculated(self, attributes: bytes) -> UnreadableFile:
        place = _PLACE.match(attributes)
        cell = f"cell {(place[1] + place[2]).decode()}" if place else "a cell"
        cure = f"{cell} has a formula without a stored value; open the workbook in Excel and save it again"
        return UnreadableFile(cure, int(place[2]) if place else self._rows)


def _may_have_errors(piece: bytes) -> bool:
    return b'"e"' in piece or b"'e'" in piece


def _last_row(xml: bytes) -> int:
    """Return where the last row begins, or 0."""
    at = len(xml)
    while (found := xml.rfind(b"row", 0, at)) > 0:
        at = xml.rfind(b"<", 0, found)
        if at <= 0 or _ROW.match(xml, at):
            return max(at, 0)
    return 0


def column_number(letters: bytes) -> int:
    """Return the number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * LETTERS + letter - ord("A") + 1
    return number

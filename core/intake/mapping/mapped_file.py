"""Read an office's own file as our values. Each fault names its row and the file's own header.

It has the interface of `core.intake.parsing.folder.Folder`: `rows`, `faults`, `rows_read`, `say` and
`refuse_if_rows_lost`.
"""

import datetime as dt
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from core.intake.mapping import field_readers, text_file
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.office_file import HEADER_ROWS, OfficeFile, UnsplitRow, header_names
from core.intake.mapping.targets import MONEY_FIELDS, TARGETS, Field
from core.intake.parsing.faults import Fault, FaultKind, Faults
from core.intake.parsing.fields import Column, FileFormat
from core.intake.parsing.folder import Progress, Row, RowsRead, read_value
from core.intake.parsing.lines import OPEN_QUOTE, UnreadableFile
from core.money import format_plain_amount

_PROGRESS_ROWS: Final = 5_000
_TOTAL: Final = re.compile(r"\s*((grand|report|sub|page|practice|provider)[ -]?)?totals?\b.*", re.IGNORECASE)
_NEEDED: Final = {Field.CLAIM, Field.PATIENT_NAME, Field.LAST_NAME, Field.SERVICE_DATE, Field.RESPONSIBILITY}


class MappedFile:
    """A file read through a mapping."""

    def __init__(
        self,
        path: Path,
        mapping: Mapping,
        *,
        today: dt.date,
        name: str | None = None,
        faults: Faults | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Find the header. `name` is what faults call the file. Raise `BadMapping`, `NoSuchFile`, `ImportRefused`."""
        mapping.require_usable()
        self.mapping = mapping
        self.faults = Faults() if faults is None else faults
        self.rows_read: dict[str, RowsRead] = {}
        self._progress = progress
        self._rows_lost = False
        self._sums = dict.fromkeys(MONEY_FIELDS, 0)
        sheet = f", sheet {mapping.sheet}" if mapping.sheet else ""
        columns = [
            Column(header, field_readers.reader(field, mapping, today), field not in _NEEDED, TARGETS[field].private)
            for header, field in mapping.columns.items()
        ]
        self.format = FileFormat(f"{name or path.name}{sheet}", tuple(columns), others_allowed=True)
        self._fields = list(mapping.columns.values())
        try:
            self._file = OfficeFile(path)
            self._check_file()
            self._at, self._header, self._names, self._places = self._find_header()
        except UnreadableFile as stop:
            self.faults.add(Fault(self.format.name, stop.cure, line=stop.line, kind=FaultKind.STRUCTURE))
            self.faults.refuse_if_any()
        # Every claim has a value here: the date of service, or the claim ID if the file has no dates of service.
        telling = Field.SERVICE_DATE if Field.SERVICE_DATE in self._fields else Field.CLAIM
        self._telling_place = self._places[self._fields.index(telling)]
        self._cells_of_claim = min(2, len(mapping.columns))
        self._last_place = max(self._places)
        self.constants = {field: self._constant(field, text, today) for field, text in mapping.constants.items()}
        self.faults.refuse_if_any()

    def rows(self, file: FileFormat) -> Iterator[Row]:
        """Yield every row with a value for each mapped column, in the order of `mapping.columns`.

        A totals row at the end is compared with the sums of the rows above and not yielded.
        """
        count = empty = 0
        pending: tuple[int, list[str]] | None = None
        try:
            for row in self._split_rows():
                at, cells = row
                if sum(1 for cell in cells if cell.strip()) < self._cells_of_claim:
                    empty += 1  # or it contains only a note, such as a page number
                    continue
                if pending is not None:
                    cure = "this looks like a totals row between claims; remove it"
                    self._add_lost(cure, pending[0])
                    pending = None
                if self._looks_like_totals(cells):
                    pending = row
                    continue
                count += 1
                yield self._row(at, cells, file)
        except UnreadableFile as stop:
            self._add_lost(stop.cure, stop.line)
        if pending is not None:
            self._check_totals(*pending)
        if not count and not self._rows_lost:
            self._add_lost("there are no claims below the column names", self._at)
        self.rows_read[file.name] = RowsRead(count, empty, totals_agree=pending is not None and not self._rows_lost)

    def refuse_if_rows_lost(self) -> None:
        """Raise `ImportRefused` if rows could not be read, because rows that refer to them would seem wrong."""
        if self._rows_lost:
            self.faults.refuse_if_any()

    def say(self, what: str) -> None:
        """Report the current step after the file is read. Its duration is unknown."""
        if self._progress is not None:
            self._progress(what, 0, 0)

    def header_of(self, *wanted: Field) -> str:
        """Return the header of the first of these fields that has a column. If none has one, return a label."""
        headers = self.mapping.headers()
        return next((headers[field] for field in wanted if field in headers), TARGETS[wanted[0]].label)

    def _check_file(self) -> None:
        """Refuse a file that does not match the mapping. Raise `UnreadableFile`."""
        file, mapping = self._file, self.mapping
        if file.encoding.name == text_file.WINDOWS_1252 and mapping.encoding != "windows-1252":
            cure = (
                f"{file.encoding.evidence}; save the file as CSV UTF-8, or set the mapping's encoding to windows-1252"
            )
            raise UnreadableFile(cure, 1)
        if file.is_workbook and mapping.sheet is not None and mapping.sheet not in file.sheets:
            raise UnreadableFile(f"no sheet has this name; the sheets are {', '.join(file.sheets)}", 1)
        if mapping.sheet is None and len(file.sheets) > 1:
            raise UnreadableFile(
                f"the workbook has several sheets; choose one in the mapping: {', '.join(file.sheets)}", 1
            )

    def _find_header(self) -> tuple[int, list[str], list[str], list[int]]:
        """Return the header's row, its cells, its names and each mapped column's position. Raise `ImportRefused`."""
        wanted = list(self.mapping.columns)
        best: tuple[int, int, list[str], list[str]] | None = None
        for at, cells in self._file.first_rows(self.mapping.sheet, HEADER_ROWS):
            names = header_names(cells)
            found = sum(1 for name in wanted if name in names)
            if best is None or found > best[0]:
                best = found, at, cells, names
        if best is None:
            raise UnreadableFile("the file is empty", 1)
        _, at, cells, names = best
        for name in wanted:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f'; did "{near[0]}" replace it?' if near else ""
                cure = f"the mapping uses this column, but the file does not have it; correct the mapping{hint}"
                self.faults.add(Fault(self.format.name, cure, line=at, column=name, kind=FaultKind.COLUMNS))
        self.faults.refuse_if_any()
        return at, cells, names, [names.index(name) for name in wanted]

    def _split_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the rows below the header. A row that cannot be split or that a merged cell covers adds a fault."""
        in_quote = False
        for row in self._file.rows(self.mapping.sheet):
            at = row[0]
            if at <= self._at:
                continue
            if at % _PROGRESS_ROWS == 0 and self._progress is not None:
                self._progress(self.format.name, at, 0)
            if isinstance(row, UnsplitRow):
                in_quote = in_quote or row.cure == OPEN_QUOTE
                self._add_lost(row.cure, at)
                continue
            cells = row[1]
            if in_quote and len(cells) != len(self._names):
                continue  # still inside a quoted value
            in_quote = False
            if at in self._file.merged_rows:
                self._add_lost("cells in this row are merged; unmerge them, because only one of them has a value", at)
            elif cells == self._header:
                self._add_lost("the column names are repeated here; was the file pasted twice?", at)
            else:
                yield at, cells

    def _row(self, at: int, cells: list[str], file: FileFormat) -> Row:
        before = len(self.faults)
        if any(cell.strip() for cell in cells[len(self._names) :]):
            cure = "the row contains more values than the header has columns; are its values shifted?"
            self.faults.add(Fault(file.name, cure, line=at, kind=FaultKind.STRUCTURE))
        elif len(cells) <= self._last_place and not self._file.is_workbook:
            cure = "the row is too short; is the file cut off here?"
            self.faults.add(Fault(file.name, cure, line=at, kind=FaultKind.STRUCTURE))
        values = tuple(
            read_value(self.faults, file, at, column, cells[place] if place < len(cells) else "")
            for place, column in zip(self._places, file.columns, strict=True)
        )
        for field, value in zip(self._fields, values, strict=True):
            if value is not None and field in self._sums:
                self._sums[field] += value
        return Row(at, values, is_valid=len(self.faults) == before)

    def _looks_like_totals(self, cells: list[str]) -> bool:
        """Return whether the row has an amount but no date of service, and has no claim ID or says Total."""
        if len(cells) > self._telling_place and cells[self._telling_place].strip():
            return False
        texts = {
            field: cells[place].strip() if place < len(cells) else ""
            for field, place in zip(self._fields, self._places, strict=True)
        }
        if not any(texts.get(field) for field in MONEY_FIELDS):
            return False
        return not texts[Field.CLAIM] or any(map(_TOTAL.fullmatch, cells))

    def _check_totals(self, at: int, cells: list[str]) -> None:
        """Add a fault for each amount in the totals row that differs from the sum of the rows."""
        if len(self.faults):
            return  # the sums are not complete
        for column, field, place in zip(self.format.columns, self._fields, self._places, strict=True):
            text = cells[place].strip() if place < len(cells) else ""
            if field not in self._sums or not text:
                continue
            total = read_value(self.faults, self.format, at, column, text)
            if total is not None and total != self._sums[field]:
                added = format_plain_amount(self._sums[field])
                cure = (
                    f"this looks like a totals row, but the rows above add up to {added}; give the row a claim ID "
                    "if it is a claim, or export the file again"
                )
                self._add_lost(cure, at, column=column.name, value=text)

    def _constant(self, field: Field, text: str, today: dt.date) -> Any:
        column = Column(f"constant {field.value}", field_readers.reader(field, self.mapping, today))
        return read_value(self.faults, self.format, 1, column, text)

    def _add_lost(self, cure: str, line: int, *, column: str | None = None, value: str | None = None) -> None:
        self._rows_lost = True
        self.faults.add(Fault(self.format.name, cure, line=line, column=column, value=value, kind=FaultKind.STRUCTURE))

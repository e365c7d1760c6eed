"""Read a folder's CSV files row by row: UTF-8 with or without BOM, LF or CRLF, commas, a header of known columns.

No value may contain a line break, so each line is read on its own, and a stray quote cannot swallow rows.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from core.counting import counted
from core.errors import BadInput
from core.intake.parsing import spreadsheet
from core.intake.parsing.faults import REDACTED, Fault, FaultKind, Faults
from core.intake.parsing.fields import BadField, Column, FileFormat, SpreadsheetDamage
from core.intake.parsing.file_kind import explain_if_not_csv
from core.intake.parsing.header import Header, parse_header
from core.intake.parsing.lines import (
    OPEN_QUOTE,
    BadLine,
    UnreadableFile,
    count_lines,
    first_rows,
    read_lines,
    split_fields,
)
from core.intake.parsing.plain_rows import PlainRows

Progress = Callable[[str, int, int], None]  # what, done, total

_HEAD_BYTES: Final = 65_536
_PROGRESS_ROWS: Final = 5_000


class NoSuchFolder(BadInput):
    """There is no such folder."""

    code = "no_such_folder"


class Row(NamedTuple):
    """One row: its line in the file (from 1) and its values in the format's order."""

    at: int
    values: tuple[Any, ...]
    is_valid: bool  # no field has a fault


class RowsRead(NamedTuple):
    """The number of rows read from a file, and of empty rows skipped."""

    read: int
    empty: int


class Folder:
    """The folder to read, the faults found in it, and the number of rows of each file."""

    def __init__(
        self,
        path: Path,
        formats: tuple[FileFormat, ...],
        *,
        faults: Faults | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Check every file's header first. Raise `NoSuchFolder`, or `ImportRefused` if a file is missing."""
        if not path.is_dir():
            raise NoSuchFolder(f"{path} is not a folder.")
        self.faults = Faults() if faults is None else faults
        self.rows_read: dict[str, RowsRead] = {}
        self._path = path
        self._progress = progress
        self._bytes_total = sum(f.stat().st_size for f in (path / known.name for known in formats) if f.is_file())
        self._bytes_done = 0
        self._rows_lost = False
        self._missing = False
        self._headers = {file.name: self._header(file) for file in formats}
        if self._missing:
            self.faults.refuse_if_any()  # other faults may be consequences

    def rows(self, file: FileFormat) -> Iterator[Row]:
        """Yield every row whose fields can be split. Unreadable values are None and add a fault."""
        header = self._headers[file.name]
        if header is None:
            return
        path = self._path / file.name
        with path.open("rb") as binary:
            yield from self._read(binary, header, file)
        self._bytes_done += path.stat().st_size
        self._report(file, self._bytes_done)

    def refuse_if_rows_lost(self) -> None:
        """Raise `ImportRefused` if rows could not be read, because rows that refer to them would seem wrong."""
        if self._rows_lost:
            self.faults.refuse_if_any()

    def _header(self, file: FileFormat) -> Header | None:
        path = self._path / file.name
        if not path.is_file():
            self._add_missing(file)
            return None
        before = len(self.faults)
        header = None
        try:
            with path.open("rb") as binary:
                cure = explain_if_not_csv(binary.read(_HEAD_BYTES))
                if cure is not None:
                    self.faults.add(Fault(file.name, cure, kind=FaultKind.COLUMNS))
                else:
                    binary.seek(0)
                    header = parse_header(first_rows(binary), file, self.faults)
        except PermissionError:
            cure = "the file cannot be read; change its permissions"
            self.faults.add(Fault(file.name, cure, kind=FaultKind.MISSING_FILE))
        except UnreadableFile as stop:
            self.faults.add(Fault(file.name, stop.cure, line=stop.line, kind=FaultKind.STRUCTURE))
        self._rows_lost |= len(self.faults) > before
        return header

    def _add_missing(self, file: FileFormat) -> None:
        """Add a fault for a missing file, with a hint if its name exists in other letter case."""
        stem = file.name.removesuffix(".csv").lower()
        alike = sorted(f.name for f in self._path.iterdir() if f.name.lower().partition(".")[0] == stem)
        other = next((name for name in alike if name.lower() in (file.name, f"{file.name}.txt")), None)
        if file.may_be_absent and other is None:
            return
        cure = "the file is missing; add it to the folder"
        if other is not None:
            cure = f"the file is missing; if it is {other}, rename that file"
        elif alike:
            cure = f"the file is missing; if {alike[0]} contains it, export it as CSV UTF-8"
        self.faults.add(Fault(file.name, cure, kind=FaultKind.MISSING_FILE))
        self._missing = True

    def _read(self, binary: BinaryIO, header: Header, file: FileFormat) -> Iterator[Row]:
        """Yield the rows below the header. Count the lines and check that all of the file was read."""
        rows = empty = others = 0
        in_quote = False
        plain = PlainRows(header)
        try:
            for number, text in read_lines(binary):
                if number % _PROGRESS_ROWS == 0:
                    self._report(file, self._bytes_done + binary.tell())
                try:
                    fields = split_fields(text)
                except BadLine as bad:
                    in_quote = in_quote or str(bad) == OPEN_QUOTE
                    self._add_lost(file, str(bad), number)
                    others += 1
                    continue
                if not in_quote and number != header.at and (values := plain.values(fields)) is not None:
                    rows += 1
                    yield Row(number, values, is_valid=True)
                    continue
                if number == header.at or not any(map(str.strip, fields)):
                    others += 1
                    empty += number != header.at
                    continue
                if in_quote and not header.width <= len(fields) <= len(header.fields):
                    others += 1  # the rest of the value that the quote opened
                    continue
                in_quote = False
                if [fields[0].removeprefix("\ufeff"), *fields[1:]] == header.fields:
                    others += 1
                    self._add_lost(file, "the header is repeated here; was the file pasted twice?", number)
                    continue
                rows += 1
                yield self._row(number, fields, header, file)
        except UnreadableFile as stop:
            self._add_lost(file, stop.cure, stop.line)
            return
        self.rows_read[file.name] = RowsRead(rows, empty)
        lines = count_lines(self._path / file.name)
        if rows + others != lines:
            cure = f"{counted(rows + others, 'line')} of {lines:,} were read; did the file change during the import?"
            self._add_lost(file, cure, lines)

    def _add_lost(self, file: FileFormat, cure: str, line: int) -> None:
        self._rows_lost = True
        self.faults.add(Fault(file.name, cure, line=line, kind=FaultKind.STRUCTURE))

    def say(self, what: str) -> None:
        """Report the current step after the files are read. Its duration is unknown."""
        if self._progress is not None:
            self._progress(what, 0, 0)

    def _report(self, file: FileFormat, done: int) -> None:
        if self._progress is not None:
            self._progress(file.name, done, self._bytes_total)

    def _row(self, at: int, fields: list[str], header: Header, file: FileFormat) -> Row:
        before = len(self.faults)
        cure = _explain_misfit(fields, header)
        if cure is not None:
            note = f"{len(fields)} fields, but the header has {header.width}"
            self.faults.add(Fault(file.name, cure, line=at, note=note, kind=FaultKind.STRUCTURE))
            # Its first fields may be valid, so that rows that refer to this one cause no more faults.
            fields = fields + [""] * (header.width - len(fields))
            values = tuple(
                None if place is None else _value_or_none(column, fields[place]) for place, column in header.read
            )
        else:
            values = tuple(
                column.empty if place is None else self._value(file, at, column, fields[place])
                for place, column in header.read
            )
        return Row(at, values, is_valid=len(self.faults) == before)

    def _value(self, file: FileFormat, at: int, column: Column, field: str) -> Any:
        return read_value(self.faults, file, at, column, field)


def read_value(faults: Faults, file: FileFormat, at: int, column: Column, field: str) -> Any:
    """Return the value of a field. An unreadable one is None and adds a fault."""
    field = field.strip()
    if not field:
        if not column.optional:
            faults.add(Fault(file.name, "must not be empty", line=at, column=column.name))
        return column.empty
    try:
        if spreadsheet.error_in(field):
            raise SpreadsheetDamage("the spreadsheet shows an error here; correct it before export")
        return column.read(field)
    except BadField as bad:
        kind = FaultKind.SPREADSHEET if isinstance(bad, SpreadsheetDamage) else FaultKind.VALUE
        value = REDACTED if column.private else field
        faults.add(Fault(file.name, str(bad), line=at, column=column.name, value=value, kind=kind))
        return None


def _explain_misfit(fields: list[str], header: Header) -> str | None:
    """Return the cure for a row that does not fit the header. Extra empty fields are fine."""
    if len(fields) < header.width:
        return "the row is too short; is the file cut off here?"
    beyond = [*header.unnamed, *range(header.width, len(header.fields))]
    if any(fields[index].strip() for index in beyond if index < len(fields)):
        return "a value is in a column without a name; name the column in the first line, or clear it"
    if any(field.strip() for field in fields[len(header.fields) :]):
        return "the row has too many fields; put quotes around a value with a comma"
    return None


def _value_or_none(column: Column, field: str) -> Any:
    try:
        return column.read(field.strip()) if field.strip() else None
    except BadField:
        return None

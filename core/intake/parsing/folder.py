"""Read a folder's CSV files row by row: UTF-8 with or without BOM, LF or CRLF, commas, a header of known columns.

No value may contain a line break, so each line is read on its own, and a stray quote cannot swallow rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from core.counting import counted
from core.errors import BadInput
from core.intake.parsing import spreadsheet
from core.intake.parsing.copy_text import copy_field, copy_rows
from core.intake.parsing.faults import REDACTED, Fault, FaultKind, Faults
from core.intake.parsing.fields import BadField, Column, Consistency, FileFormat, SpreadsheetDamage
from core.intake.parsing.file_kind import explain_if_not_csv
from core.intake.parsing.header import Header, parse_header
from core.intake.parsing.lines import (
    OPEN_QUOTE,
    BadLine,
    Block,
    UnreadableFile,
    count_lines,
    first_rows,
    lines_of,
    read_blocks,
    split_fields,
)
from core.intake.parsing.plain_blocks import PlainBlocks
from core.intake.parsing.plain_rows import PlainRows

Progress = Callable[[str, int, int], None]  # what, done, total

_HEAD_BYTES: Final = 65_536


class NoSuchFolder(BadInput):
    """The folder does not exist."""


class Row(NamedTuple):
    """One row: its line in the file (from 1) and its values in the format's order."""

    at: int
    values: tuple[Any, ...]
    is_valid: bool  # no field has a fault


class RowsRead(NamedTuple):
    """The number of rows read from a file, and of empty rows skipped."""

    read: int
    empty: int
    totals_agree: bool = False  # the file has a totals row, and it equals the sums of the rows


@dataclass
class _Count:
    """The lines of a file that were read, and whether the last ones are in a quote that does not close."""

    rows: int = 0
    others: int = 0
    empty: int = 0
    in_quote: bool = False


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
        if header is not None:
            yield from cast("Iterator[Row]", self._read(header, file, None))  # without blocks, all are rows

    def copy_text(self, file: FileFormat) -> Iterator[str]:
        """Yield the same rows as COPY text: the line number, then what the columns keep of the values."""
        header = self._headers[file.name]
        if header is None:
            return
        for read in self._read(header, file, PlainBlocks(header, file)):
            if isinstance(read, Row):
                kept = (column.staged(value) for column, value in zip(file.columns, read.values, strict=True))
                yield copy_rows([map(copy_field, (read.at, *kept))])
            else:
                yield read

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
        """Add a fault for a missing file, with a hint if a file differs only in letter case."""
        stem = file.name.removesuffix(".csv").lower()
        alike = sorted(f.name for f in self._path.iterdir() if f.name.lower().partition(".")[0] == stem)
        other = next((name for name in alike if name.lower() in (file.name, f"{file.name}.txt")), None)
        if file.may_be_absent and other is None:
            return
        cure = "the file is missing; add it to the other files"
        if other is not None:
            cure = f"the file is missing; if it is {other}, rename that file"
        elif alike:
            cure = f"the file is missing; if {alike[0]} contains it, export it as CSV UTF-8"
        self.faults.add(Fault(file.name, cure, kind=FaultKind.MISSING_FILE))
        self._missing = True

    def _read(self, header: Header, file: FileFormat, blocks: PlainBlocks | None) -> Iterator[Row | str]:
        """Yield the rows below the header, with plain blocks as text. Check that the whole file was read."""
        path, count, plain = self._path / file.name, _Count(), PlainRows(header)
        try:
            with path.open("rb") as binary:
                for block in read_blocks(binary):
                    text = None if blocks is None or count.in_quote else blocks.text(block)
                    if text is None:
                        yield from self._read_block(block, header, file, plain, count)
                    else:
                        count.rows += text.rows
                        yield text.text
                    self._report(file, self._bytes_done + block.begins + len(block.lines))
        except UnreadableFile as stop:
            self._add_lost(file, stop.cure, stop.line)
        else:
            self.rows_read[file.name] = RowsRead(count.rows, count.empty)
            lines = count_lines(path)
            if count.rows + count.others != lines:
                seen = counted(count.rows + count.others, "line")
                cure = f"{seen} of {lines:,} were read; did the file change during the import?"
                self._add_lost(file, cure, lines)
        self._bytes_done += path.stat().st_size
        self._report(file, self._bytes_done)

    def _read_block(
        self, block: Block, header: Header, file: FileFormat, plain: PlainRows, count: _Count
    ) -> Iterator[Row]:
        """Yield the rows of the block one by one, with every fault."""
        for number, text in lines_of(block):
            try:
                fields = split_fields(text)
            except BadLine as bad:
                count.in_quote = count.in_quote or str(bad) == OPEN_QUOTE
                self._add_lost(file, str(bad), number)
                count.others += 1
                continue
            if not count.in_quote and number != header.at and (values := plain.values(fields)) is not None:
                count.rows += 1
                row = Row(number, values, is_valid=True)
            elif number == header.at or not any(map(str.strip, fields)):
                count.others += 1
                count.empty += number != header.at
                continue
            elif count.in_quote and not header.width <= len(fields) <= len(header.fields):
                count.others += 1  # still inside a quoted value
                continue
            elif [fields[0].removeprefix("\ufeff"), *fields[1:]] == header.fields:
                count.in_quote = False
                count.others += 1
                self._add_lost(file, "the column names are repeated here; was the file pasted twice?", number)
                continue
            else:
                count.in_quote = False
                count.rows += 1
                row = self._row(number, fields, header, file)
            if row.is_valid and file.consistency is not None:
                self._add_inconsistency(row, file, file.consistency)
            yield row

    def _add_inconsistency(self, row: Row, file: FileFormat, consistency: Consistency) -> None:
        """Add a fault if the values do not fit together."""
        values = {column.name: value for column, value in zip(file.columns, row.values, strict=True)}
        fault = consistency.explain(*(values[name] for name in consistency.columns))
        if fault is not None:
            column, cure = fault
            self.faults.add(Fault(file.name, cure, line=row.at, column=column))

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
    """Return the fix for a row that does not fit the header. Extra empty fields are fine."""
    if len(fields) < header.width:
        return "the row is too short; is the file cut off here?"
    beyond = [*header.unnamed, *range(header.width, len(header.fields))]
    if any(fields[index].strip() for index in beyond if index < len(fields)):
        return "a value is in a column without a name; name the column in the first line, or clear the value"
    if any(field.strip() for field in fields[len(header.fields) :]):
        return "the row has too many fields; put quotes around a value with a comma"
    return None


def _value_or_none(column: Column, field: str) -> Any:
    try:
        return column.read(field.strip()) if field.strip() else None
    except BadField:
        return None

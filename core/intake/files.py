"""Read a folder's CSV files, row by row: UTF-8 with or without BOM, LF or CRLF, commas, a header of known columns."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, Final

from core.errors import BadInput
from core.intake.faults import HIDDEN, Fault, Faults
from core.intake.fields import BadField, Column

Progress = Callable[[str, int, int], None]  # what, done, total

_LINE_BYTES_MAX: Final = 1_000_000  # a "line" beyond it is no CSV; it is never read into memory whole
_PROGRESS_ROWS: Final = 5_000
_BOM: Final = b"\xef\xbb\xbf"


class _NotReadable(Exception):
    """From here on the file cannot be read."""

    def __init__(self, cure: str, line: int) -> None:
        self.cure = cure
        self.line = line


class NoSuchFolder(BadInput):
    """There is no such folder."""

    code = "no_such_folder"


@dataclass(frozen=True)
class FileFormat:
    """A file that is read: which columns, and whether others may stand beside them."""

    name: str
    columns: tuple[Column, ...]
    others_allowed: bool = False
    may_be_absent: bool = False


@dataclass(frozen=True)
class Row:
    """One row: the line of the file where it begins (the header is line 1) and its values in the format's order."""

    at: int
    values: tuple[Any, ...]
    is_sound: bool  # no field of it was a fault


class Folder:
    """The folder that is read, the faults found in it and how far the reading is."""

    def __init__(self, path: Path, formats: tuple[FileFormat, ...], *, progress: Progress | None = None) -> None:
        """Raises `NoSuchFolder`."""
        if not path.is_dir():
            raise NoSuchFolder(f"{path} is not a folder.")
        self.faults = Faults()
        self._path = path
        self._progress = progress
        self._bytes_total = sum(f.stat().st_size for f in (path / known.name for known in formats) if f.is_file())
        self._bytes_done = 0

    def rows(self, file: FileFormat) -> Iterator[Row]:
        """Every row whose fields can be told apart; what cannot be read goes to `faults`, its value is None."""
        path = self._path / file.name
        if not path.is_file():
            if not file.may_be_absent:
                self.faults.add(Fault(file.name, "the file is missing; put it into the folder"))
            return
        try:
            with path.open("rb") as binary:
                yield from self._parsed(binary, file)
        except PermissionError:
            self.faults.add(Fault(file.name, "the file may not be read; change its permissions"))

    def _parsed(self, binary: BinaryIO, file: FileFormat) -> Iterator[Row]:
        reader = csv.reader(_lines(binary), strict=True)
        read: list[tuple[int, Column]] | None = None
        width = 0
        begins = 1
        try:
            for fields in reader:
                if read is None:
                    read, width = self._header(fields, file), len(fields)
                    if not read:
                        break
                elif fields:
                    yield self._row(begins, fields, read, width, file)
                if reader.line_num % _PROGRESS_ROWS == 0:
                    self._report(file, self._bytes_done + binary.tell())
                begins = reader.line_num + 1
        except csv.Error as error:
            self.faults.add(Fault(file.name, _csv_cure(str(error)), line=begins))
        except _NotReadable as stop:
            self.faults.add(Fault(file.name, stop.cure, line=stop.line))
        else:
            if read is None:
                self.faults.add(Fault(file.name, "the file is empty; its first line names the columns"))
        self._bytes_done += binary.tell()
        self._report(file, self._bytes_done)

    def say(self, what: str) -> None:
        """Tell what is done now that the files are read; how long it takes is not known."""
        if self._progress is not None:
            self._progress(what, 0, 0)

    def _report(self, file: FileFormat, done: int) -> None:
        if self._progress is not None:
            self._progress(file.name, done, self._bytes_total)

    def _header(self, fields: list[str], file: FileFormat) -> list[tuple[int, Column]]:
        """Where each column of the format stands; empty where the header is faulty."""
        names = [field.strip() for field in fields]
        known = [column.name for column in file.columns]
        before = len(self.faults)
        if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
            self.faults.add(Fault(file.name, "separate the columns by commas", line=1))
            return []
        for name in sorted({name for name in names if names.count(name) > 1 and name in known}):
            self.faults.add(Fault(file.name, "name the column once only", line=1, column=name))
        for name in names:
            if name not in known and not file.others_allowed:
                near = get_close_matches(name, [k for k in known if k not in names], n=1)
                cure = f"unknown column; is it {near[0]}?" if near else "unknown column; remove it"
                self.faults.add(Fault(file.name, cure, line=1, column=name))
        for name in known:
            if name not in names:
                self.faults.add(Fault(file.name, "the column is missing; add it", line=1, column=name))
        if len(self.faults) > before:
            return []
        return [(names.index(column.name), column) for column in file.columns]

    def _row(self, at: int, fields: list[str], read: list[tuple[int, Column]], width: int, file: FileFormat) -> Row:
        before = len(self.faults)
        if len(fields) != width:
            cure = (
                "the row ends too early; is the file cut off here?"
                if len(fields) < width
                else "the row has too many fields; put a value that holds a comma in quotes"
            )
            self.faults.add(Fault(file.name, f"{cure} ({len(fields)} fields, the header has {width})", line=at))
            # Its first fields may well be right, so that what refers to this row causes no further faults.
            fields = fields + [""] * (width - len(fields))
            values = tuple(_value_or_none(column, fields[place]) for place, column in read)
        else:
            values = tuple(self._value(file, at, column, fields[place]) for place, column in read)
        return Row(at, values, is_sound=len(self.faults) == before)

    def _value(self, file: FileFormat, at: int, column: Column, field: str) -> Any:
        field = field.strip()
        if not field:
            if not column.optional:
                self.faults.add(Fault(file.name, "must not be empty", line=at, column=column.name))
            return column.empty
        try:
            return column.read(field)
        except BadField as bad:
            value = HIDDEN if column.private else field
            self.faults.add(Fault(file.name, str(bad), line=at, column=column.name, value=value))
            return None


def _value_or_none(column: Column, field: str) -> Any:
    try:
        return column.read(field.strip()) if field.strip() else None
    except BadField:
        return None


def _lines(binary: BinaryIO) -> Iterator[str]:
    """The file's lines as text. Raises `_NotReadable` at the first byte that is not UTF-8."""
    position = 0
    number = 0
    while line := binary.readline(_LINE_BYTES_MAX):
        number += 1
        if len(line) == _LINE_BYTES_MAX:
            raise _NotReadable("the line is longer than a million bytes; is this a CSV file?", number)
        text = line.removeprefix(_BOM) if number == 1 else line
        position += len(line) - len(text)
        try:
            yield text.decode("utf-8")
        except UnicodeDecodeError as error:
            raise _NotReadable(
                f"byte {position + error.start + 1} of the file (0x{text[error.start]:02X}, byte {error.start + 1} of "
                "its line) is not UTF-8; save the file as UTF-8",
                number,
            ) from None
        position += len(text)


def _csv_cure(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote is opened here and never closed; is the file cut off?"
    if "field larger" in error:
        return "a field is longer than 131,072 characters; is a quote never closed?"
    if "new-line character" in error:
        return "the line ends with CR alone; save the file with LF or CRLF"
    return "put a value that holds a quote in quotes and double the quote inside"

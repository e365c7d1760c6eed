"""The office's own file, CSV or XLSX, as rows of text with their numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from core.errors import BadInput
from core.intake.mapping import text_file
from core.intake.mapping.mapping import TEXT_MAX
from core.intake.mapping.workbook import CELLS_MAX, Workbook, is_workbook
from core.intake.parsing.file_kind import explain_if_not_csv
from core.intake.parsing.lines import BadLine, UnreadableFile, split_fields

HEADER_ROWS: Final = 30  # rows searched for the header; reports have a title above it
_HEAD_BYTES: Final = 65_536
FileRow = tuple[int, list[str]]


class NoSuchFile(BadInput):
    """The file does not exist."""


class UnsplitRow(NamedTuple):
    """A line that cannot be split into fields."""

    at: int
    cure: str


class OfficeFile:
    """A file with its detected kind, encoding, delimiter and sheets. `kind` is "text" or "workbook"."""

    def __init__(self, path: Path, *, cells_max: int = CELLS_MAX) -> None:
        """Inspect the file. Raise `NoSuchFile`, and `UnreadableFile` with the fix."""
        if not path.is_file():
            raise NoSuchFile(f"{path} is not a file.")
        self.path = path
        self._cells_max = cells_max
        self.encoding = text_file.Encoding(text_file.UTF_8, "")
        self.delimiter = ","
        self.sheets: list[str] = []
        self.merged_rows: set[int] = set()
        with path.open("rb") as binary:
            head = binary.read(_HEAD_BYTES)
        self.is_workbook = is_workbook(head)
        if self.is_workbook:
            with self._workbook() as book:
                self.sheets = book.sheets
            return
        if not head.strip():
            raise UnreadableFile("the file is empty", 1)
        self.encoding = text_file.detect_encoding(path)
        if not self.encoding.name.startswith("utf-16"):
            cure = explain_if_not_csv(head)
            if cure is not None:
                raise UnreadableFile(cure, 1)
        self.delimiter = text_file.detect_delimiter(text_file.sample_lines(path, self.encoding.name))

    def first_rows(self, sheet: str | None, count: int) -> list[FileRow]:
        """Return the first rows that are not empty and can be split. Raise `UnreadableFile`."""
        rows = (row for row in self.rows(sheet) if not isinstance(row, UnsplitRow) and any(map(str.strip, row[1])))
        return list(islice(rows, count))

    def rows(self, sheet: str | None) -> Iterator[FileRow | UnsplitRow]:
        """Yield every row with its number, from 1. Raise `UnreadableFile`."""
        if self.is_workbook:
            yield from self._sheet_rows(sheet)
            return
        for number, line in text_file.read_text_lines(self.path, self.encoding.name):
            if number == 1 and line.lower().startswith("sep=") and len(line.strip()) == len("sep=,"):
                continue
            try:
                yield number, split_fields(line, self.delimiter)
            except BadLine as bad:
                yield UnsplitRow(number, str(bad))

    def _sheet_rows(self, sheet: str | None) -> Iterator[FileRow]:
        with self._workbook() as book:
            book.merged_rows = self.merged_rows
            yield from book.rows(sheet if sheet is not None else self.sheets[0])

    @contextmanager
    def _workbook(self) -> Iterator[Workbook]:
        book = Workbook(self.path, cells_max=self._cells_max)
        try:
            yield book
        finally:
            book.close()


def header_names(fields: Sequence[str]) -> list[str]:
    """Return a unique name for each column: the second "Balance" is "Balance (2)". An unnamed column stays unnamed.

    A long name is cut, so that a mapping can contain it.
    """
    seen: dict[str, int] = {}
    names = []
    for field in fields:
        name = " ".join(field.split())[:TEXT_MAX]
        seen[name] = seen.get(name, 0) + 1
        suffix = f" ({seen[name]})" if name and seen[name] > 1 else ""
        names.append(f"{name[: TEXT_MAX - len(suffix)]}{suffix}")
    return names

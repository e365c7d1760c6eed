"""Lists that a check creates as CSV: what differs, the correcting postings, the new postings, and the errors."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.orm import Session

from core.claims.export import csv_pieces, escape_formula
from core.intake.loading.corrections import FILE_COLUMNS, Correction
from core.intake.loading.differences import DIFFERENCE_COLUMNS, Difference
from core.intake.loading.imported import ImportOptions
from core.intake.loading.new_postings import NEW_POSTING_COLUMNS, NewPosting
from core.intake.parsing.faults import Fault, Faults
from core.intake.uploads.lifecycle import ImportKey
from core.models.imports import PIECE_BYTES_MAX, ImportPiece

DIFFERENCES: Final = "differences"
CORRECTIONS: Final = "corrections"
ERRORS: Final = "errors"
NEW_POSTINGS: Final = "new-postings"
ERROR_COLUMNS: Final = ("File", "Line", "Column", "Value", "Note", "What to do")
ERRORS_LISTED_MAX: Final = 1_000_000  # what a spreadsheet opens
_COLUMNS: Final = {
    DIFFERENCES: DIFFERENCE_COLUMNS, CORRECTIONS: FILE_COLUMNS, ERRORS: ERROR_COLUMNS,
    NEW_POSTINGS: NEW_POSTING_COLUMNS,
}  # fmt: skip
# `ImportPiece.file`; uploaded files are 0 and above.
_FILE: Final = {DIFFERENCES: -1, CORRECTIONS: -2, ERRORS: -3, NEW_POSTINGS: -4}


class ListFiles:
    """The lists of one check, in files until `store` saves them. They contain names and dates of birth."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which must not contain other files."""
        self._paths = {name: folder / f"{name}.csv" for name in _FILE}
        self._open = {name: path.open("w", encoding="utf-8", newline="") for name, path in self._paths.items()}
        self._writers = {name: csv.writer(file) for name, file in self._open.items()}
        self.errors = 0  # listed, with what is left out or differs

    def options(self, *, take_changes: bool, post_corrections: bool, check_only: bool) -> ImportOptions:
        """Return the options of an import that writes these lists."""

        def write_difference(one: Difference) -> None:
            self._writers[DIFFERENCES].writerow(one.cells(hide_private=False))

        def write_correction(one: Correction) -> None:
            self._writers[CORRECTIONS].writerows(one.rows())

        def write_new_posting(one: NewPosting) -> None:
            self._writers[NEW_POSTINGS].writerow(one.cells())

        return ImportOptions(
            take_changes=take_changes, post_corrections=post_corrections, check_only=check_only,
            each_difference=write_difference, each_correction=write_correction,
            each_new_posting=write_new_posting, each_problem=self._write_error,
        )  # fmt: skip

    def faults(self) -> Faults:
        """Return empty `Faults` for a load. They add each place to the list of errors, up to a limit."""
        return Faults(self._write_error)

    def _write_error(self, fault: Fault) -> None:
        self.errors += 1
        if self.errors <= ERRORS_LISTED_MAX:
            self._writers[ERRORS].writerow(error_cells(fault))

    def close(self) -> None:
        """Write what is buffered."""
        for file in self._open.values():
            file.close()

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a list."""
        with self._paths[name].open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def store(self, session: Session, key: ImportKey, names: Sequence[str] = (*_FILE,)) -> None:
        """Replace the import's lists with these."""
        session.execute(delete(ImportPiece).where(*key.of(ImportPiece), ImportPiece.file < 0))
        for name in names:
            place = {"practice_id": key.practice_id, "import_id": key.import_id, "file": _FILE[name]}
            with self._paths[name].open("rb") as file:
                for number, content in enumerate(iter(partial(file.read, PIECE_BYTES_MAX), b"")):
                    session.execute(insert(ImportPiece).values(**place, number=number, content=content))


def error_cells(fault: Fault) -> list[str]:
    """Return the place as a row of `ERROR_COLUMNS`."""
    _kind, file, line, column, value, cure, note = fault.cells()
    return [escape_formula(file), line, *map(escape_formula, (column, value, note, cure))]


def has_list(session: Session, key: ImportKey, name: str) -> bool:
    """Return whether the import has a list with at least one row."""
    of_list = exists().where(*key.of(ImportPiece), ImportPiece.file == _FILE[name])
    return bool(session.scalar(select(of_list)))


def list_pieces(session: Session, key: ImportKey, name: str) -> Iterator[bytes]:
    """Yield a list as a CSV file, header first."""
    yield from (head.encode() for head in csv_pieces(_COLUMNS[name], ()))
    of_list = select(ImportPiece.content).where(*key.of(ImportPiece), ImportPiece.file == _FILE[name])
    number = 0
    while content := session.scalar(of_list.where(ImportPiece.number == number)):
        yield content
        number += 1

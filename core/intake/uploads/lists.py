"""Lists that a check creates as CSV, of any length: what differs, and the postings that would correct the ledger."""

import csv
import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from core.claims.export import csv_pieces
from core.intake.loading.corrections import FILE_COLUMNS, Correction
from core.intake.loading.differences import DIFFERENCE_COLUMNS, Difference
from core.intake.loading.load import ImportOptions
from core.intake.uploads.lifecycle import ImportKey
from core.models.imports import PIECE_BYTES_MAX, ImportPiece

DIFFERENCES: Final = "differences"
CORRECTIONS: Final = "corrections"
_COLUMNS: Final = {DIFFERENCES: DIFFERENCE_COLUMNS, CORRECTIONS: FILE_COLUMNS}
_FILE: Final = {DIFFERENCES: -1, CORRECTIONS: -2}  # `ImportPiece.file`; uploaded files are 0 and above


class ListFiles:
    """The lists of one check, in files until `store` saves them. They contain names and dates of birth."""

    def __init__(self, folder: Path) -> None:
        """Write into `folder`, which must not contain other files."""
        self._paths = {name: folder / f"{name}.csv" for name in _FILE}
        self._open = {name: path.open("w", encoding="utf-8", newline="") for name, path in self._paths.items()}
        self._writers = {name: csv.writer(file) for name, file in self._open.items()}

    def options(self, *, take_changes: bool, post_corrections: bool, check_only: bool) -> ImportOptions:
        """Return the options of an import that writes these lists."""

        def write_difference(one: Difference) -> None:
            self._writers[DIFFERENCES].writerow(one.cells(hide_private=False))

        def write_correction(one: Correction) -> None:
            self._writers[CORRECTIONS].writerows(one.rows())

        return ImportOptions(
            take_changes=take_changes, post_corrections=post_corrections, check_only=check_only,
            each_difference=write_difference, each_correction=write_correction,
        )  # fmt: skip

    def close(self) -> None:
        """Write what is buffered."""
        for file in self._open.values():
            file.close()

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a list."""
        with self._paths[name].open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def store(self, session: Session, key: ImportKey) -> None:
        """Replace the import's lists with these."""
        session.execute(delete(ImportPiece).where(*key.of(ImportPiece), ImportPiece.file < 0))
        for name, path in self._paths.items():
            place = {"practice_id": key.practice_id, "import_id": key.import_id, "file": _FILE[name]}
            with path.open("rb") as file:
                for number, content in enumerate(iter(partial(file.read, PIECE_BYTES_MAX), b"")):
                    session.execute(insert(ImportPiece).values(**place, number=number, content=content))


def list_pieces(session: Session, key: ImportKey, name: str) -> Iterator[bytes]:
    """Yield a list as a CSV file, header first."""
    yield from (head.encode() for head in csv_pieces(_COLUMNS[name], ()))
    of_list = select(ImportPiece.content).where(*key.of(ImportPiece), ImportPiece.file == _FILE[name])
    number = 0
    while content := session.scalar(of_list.where(ImportPiece.number == number)):
        yield content
        number += 1

"""Folders of files to import: copies of the template, which tests then corrupt."""

import csv
import io
import os
from pathlib import Path

import pytest

from core.db.engine import Sessions, transaction
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import write_template
from core.intake.loading.imported import Imported
from core.intake.parsing.faults import ImportRefused
from tests.factories import NOW

PRACTICE = "Lakeside"


class FilesOfPractice:
    """A private copy of the template's files, and their import."""

    def __init__(self, path: Path, sessions: Sessions) -> None:
        self.path = path
        self.sessions = sessions
        write_template(path)

    def replace(self, file: str, old: str, new: str) -> None:
        """Replace text in a file. The text must be there."""
        text = (self.path / file).read_text(encoding="utf-8")
        assert old in text
        (self.path / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    def append(self, file: str, *fields: str) -> None:
        """Add a row at the end of a file."""
        row = io.StringIO()
        csv.writer(row, lineterminator="\n").writerow(fields)
        with (self.path / file).open("a", encoding="utf-8") as target:
            target.write(row.getvalue())

    def write(self, file: str, content: bytes) -> None:
        """Replace a file."""
        (self.path / file).write_bytes(content)

    def load(self, practice_name: str = PRACTICE) -> Imported:
        """Import the folder."""
        with transaction(self.sessions) as session:
            return import_csv(session, self.path, practice_name=practice_name, now=NOW)

    def faults(self) -> list[str]:
        """Import the folder, which must be refused, and return its faults as sentences."""
        return self.faults_in(PRACTICE)

    def faults_in(self, practice_name: str) -> list[str]:
        """Import the folder into the practice, which must be refused, and return its faults as sentences."""
        with pytest.raises(ImportRefused) as refused:
            self.load(practice_name)
        return [str(fault) for fault in refused.value.faults]


@pytest.fixture
def files(tmp_path: Path, sessions: Sessions) -> FilesOfPractice:
    """The template's files, without faults."""
    return FilesOfPractice(tmp_path / "files", sessions)


@pytest.fixture(scope="session")
def synthea() -> Path:
    """The folder with Synthea's files."""
    folder = os.environ.get("SETTLE_SYNTHEA_DIR")
    if not folder:
        pytest.skip("SETTLE_SYNTHEA_DIR does not name the folder with Synthea's files")
    return Path(folder)

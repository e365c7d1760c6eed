"""An office's file, and its import through a mapping."""

from pathlib import Path

import pytest

from core.db.engine import Sessions, transaction
from core.intake.loading.imported import Imported
from core.intake.mapping.guess import guess_mapping
from core.intake.mapping.import_file import import_file
from core.intake.mapping.mapping import Mapping
from core.intake.parsing.faults import ImportRefused
from tests.factories import NOW, TODAY

PRACTICE = "Lakeside"
HEADER = "Claim #,Patient #,Patient Name,DOS,Primary Ins,Ins Bal,Pt Bal"
ROWS = ("C1,P1,Example Ann,03/14/2026,Aetna,100.00,0.00", "C2,P2,Example Bob,03/15/2026,Aetna,20.00,5.00")
COLUMNS = {
    "Claim #": "claim", "Patient #": "patient", "Patient Name": "patient_name", "DOS": "service_date",
    "Primary Ins": "primary_payer", "Ins Bal": "insurance_balance", "Pt Bal": "patient_balance",
}  # fmt: skip
MAPPING = Mapping.of({"columns": COLUMNS, "dates": {"service_date": "MM/DD/YYYY"}})


class OfficeFiles:
    """Files in a folder of the test, and their import."""

    def __init__(self, folder: Path, sessions: Sessions) -> None:
        self.folder = folder
        self.sessions = sessions

    def csv(self, *rows: str, header: str = HEADER, name: str = "ar.csv") -> Path:
        """Write a CSV file."""
        path = self.folder / name
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    def load(self, path: Path, mapping: Mapping | None = None) -> Imported:
        """Import the file, through its guessed mapping if none is given."""
        if mapping is None:
            guess = guess_mapping(path, today=TODAY)
            assert guess.questions == []
            mapping = guess.mapping
        with transaction(self.sessions) as session:
            return import_file(session, path, mapping, practice_name=PRACTICE, now=NOW)

    def faults(self, path: Path, mapping: Mapping | None = None) -> list[str]:
        """Import the file, which must be refused, and return its faults as sentences."""
        with pytest.raises(ImportRefused) as refused:
            self.load(path, mapping)
        return [str(fault) for fault in refused.value.faults]

    def questions(self, path: Path) -> list[str]:
        """Return the codes of the questions that the guess asks."""
        return [problem.code for problem in guess_mapping(path, today=TODAY).questions]


@pytest.fixture
def office(tmp_path: Path, sessions: Sessions) -> OfficeFiles:
    """Files of an office."""
    return OfficeFiles(tmp_path, sessions)

"""Import X12 files that a test writes, or public samples."""

from pathlib import Path

import pytest
from sqlalchemy import select, text

from core.db.engine import Sessions, transaction
from core.intake.loading.imported import AS_NEW, Imported, ImportOptions
from core.intake.parsing.faults import ImportRefused
from core.intake.uploads.x12_files import import_x12
from core.models.claims import Claim
from tests.core.x12.conftest import samples
from tests.factories import NOW
from tests.x12_files import PLAIN, sent_file

__all__ = ["samples"]
PRACTICE = "Lakeside"


class X12Files:
    """X12 files in a folder, and their import into one practice."""

    def __init__(self, folder: Path, sessions: Sessions) -> None:
        self.folder, self.sessions = folder, sessions
        folder.mkdir()

    def write(self, name: str, content: str) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(content.encode("latin-1"))
        return path

    def load(self, *paths: Path, options: ImportOptions = AS_NEW, practice: str = PRACTICE) -> Imported:
        """Import files. Roll back a check."""
        with transaction(self.sessions) as session:
            done = import_x12(session, paths, practice_name=practice, now=NOW, options=options)
            if options.check_only:
                session.rollback()
        return done

    def sent(self, *claims: list[str], name: str = "claims.837", at: str = "0930") -> Path:
        """Write an 837 that was sent at this time of day."""
        return self.write(name, PLAIN.write(sent_file(*claims, at=at)))

    def faults(self, *paths: Path) -> list[str]:
        """Import files, which must be refused, and return the faults as sentences."""
        with pytest.raises(ImportRefused) as refused:
            self.load(*paths)
        return [str(fault) for fault in refused.value.faults]

    def claim(self, number: str) -> Claim:
        """Return a claim."""
        with self.sessions() as session:
            return session.scalars(select(Claim).where(Claim.external_id == number)).one()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        with self.sessions() as session:
            return [tuple(row) for row in session.execute(text(query))]


@pytest.fixture
def x12(tmp_path: Path, sessions: Sessions) -> X12Files:
    """X12 files for a new practice."""
    return X12Files(tmp_path / "x12", sessions)

"""One import: into which practice, from which source, by whom, when and how."""

import datetime as dt
from dataclasses import dataclass
from typing import Required, TypedDict

from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.intake.loading.imported import AS_NEW, ImportOptions
from core.intake.parsing.faults import Faults
from core.intake.parsing.folder import Progress
from core.models.practices import Practice
from core.practices import practice_queries
from core.practices.create import find_or_create_practice


class ImportRequest(TypedDict, total=False):
    """What each importer takes besides its files. `by` is None if no user is named (a command without `--as`)."""

    practice_name: Required[str]
    time_zone: str | None
    now: Required[dt.datetime]
    by: Actor | None
    options: ImportOptions
    faults: Faults | None
    progress: Progress | None


@dataclass(frozen=True)
class ImportRun:
    """An import that has begun, in the transaction of its caller."""

    session: Session
    practice: Practice
    source: str
    now: dt.datetime
    by: Actor | None
    options: ImportOptions
    faults: Faults
    progress: Progress | None

    @property
    def practice_id(self) -> int:
        """Return the id of the practice."""
        return self.practice.id

    def say(self, what: str) -> None:
        """Report the current step. Its duration is unknown."""
        if self.progress is not None:
            self.progress(what, 0, 0)


def begin_import(session: Session, source: str, request: ImportRequest) -> ImportRun:
    """Create the practice if needed. Raise `NotAllowed` and what `find_or_create_practice` raises."""
    by, faults, now = request.get("by"), request.get("faults"), request["now"]
    if by is not None:
        by.require(Action.IMPORT)
    practice_id = find_or_create_practice(
        session, name=request["practice_name"], time_zone=request.get("time_zone"), now=now
    )
    return ImportRun(
        session, practice_queries.find(session, practice_id), source, now, by, request.get("options", AS_NEW),
        Faults() if faults is None else faults, request.get("progress"),
    )  # fmt: skip

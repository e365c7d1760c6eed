"""A file outside the database with the last entry of each practice's audit log, one line for each run.

A database owner can rewrite a whole chain, but not this file if only other users can write to it.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.audit import log
from core.audit.log import Head
from core.errors import BadInput
from core.models.practices import Practice


class BadWitness(BadInput):
    """A line of the file is not one that `settle verify --witness` wrote."""

    code = "bad_witness"


class Witnessed(NamedTuple):
    """The last entry of a practice's audit log when the line was written."""

    practice_id: int
    head: Head


def read(path: Path) -> list[Witnessed]:
    """Return what the file's lines say, or nothing if there is no file. Raise `BadWitness`."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [_parse(line, number) for number, line in enumerate(lines, 1)]


def _parse(line: str, number: int) -> Witnessed:
    try:
        given = json.loads(line)
        return Witnessed(int(given["practice_id"]), Head(int(given["number"]), str(given["sha256"])))
    except (ValueError, KeyError, TypeError):
        raise BadWitness(f"Line {number} is not one that settle verify --witness wrote.") from None


def missing(session: Session, witnessed: Iterable[Witnessed]) -> list[Witnessed]:
    """Return the entries that the audit logs no longer contain."""
    return [one for one in witnessed if not log.contains_head(session, one.practice_id, one.head)]


def current(session: Session, practice_id: int | None) -> list[Witnessed]:
    """Return the last entry of the practice's audit log, or of each practice's."""
    ids = select(Practice.id).order_by(Practice.id)
    ids = ids if practice_id is None else ids.where(Practice.id == practice_id)
    found = [Witnessed(one, log.head(session, one)) for one in session.scalars(ids)]
    return [one for one in found if one.head.number]


def append(path: Path, witnessed: Sequence[Witnessed], *, now: dt.datetime) -> None:
    """Add a line for each entry that is not the practice's last line."""
    last = {one.practice_id: one for one in read(path)}
    lines = [
        json.dumps({"at": now.isoformat(), "practice_id": one.practice_id, "number": one.head.number,
                    "sha256": one.head.digest})
        for one in witnessed if last.get(one.practice_id) != one
    ]  # fmt: skip
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)

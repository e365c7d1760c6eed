"""A file outside the database with the last entry of each practice's audit log, and time stamps of entries.

A database owner can rewrite a whole chain, but not this file if only other users can write to it. A time stamp proves
when its entry existed, even if the owner of the database could write the file.
"""

import binascii
import datetime as dt
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import time_stamp
from core.audit import log
from core.audit.log import Head
from core.errors import BadInput
from core.models.practices import Practice
from core.time_stamp import BadTimeStamp


class BadWitness(BadInput):
    """A line of the file is not one that `settle verify --witness` wrote."""


class Witnessed(NamedTuple):
    """The last entry of a practice's audit log when the line was written."""

    practice_id: int
    head: Head
    time_stamp: bytes | None = None  # what the authority answered about it


def read(path: Path) -> list[Witnessed]:
    """Return what the file's lines say, or nothing if there is no file. Raise `BadWitness`."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [_parse(line, number) for number, line in enumerate(lines, 1)]


def _parse(line: str, number: int) -> Witnessed:
    try:
        given = json.loads(line)
        stamp = b64decode(given["time_stamp"], validate=True) if "time_stamp" in given else None
        return Witnessed(int(given["practice_id"]), Head(int(given["number"]), str(given["sha256"])), stamp)
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise BadWitness(f"Line {number} is not one that settle verify --witness wrote.") from None


def missing(session: Session, witnessed: Iterable[Witnessed]) -> list[Witnessed]:
    """Return the entries that the audit logs no longer contain."""
    return [one for one in witnessed if not log.contains_head(session, one.practice_id, one.head)]


def with_bad_stamp(witnessed: Iterable[Witnessed], *, trusted: Path) -> list[Witnessed]:
    """Return the entries with a time stamp that no trusted authority made for them."""
    return [one for one in witnessed if one.time_stamp is not None and not _is_stamped(one, one.time_stamp, trusted)]


def _is_stamped(one: Witnessed, answer: bytes, trusted: Path) -> bool:
    try:
        time_stamp.stamped_at(answer, one.head.digest, trusted=trusted)
    except BadTimeStamp:
        return False
    return True


def current(session: Session, practice_id: int | None) -> list[Witnessed]:
    """Return the last entry of the practice's audit log, or of each practice's."""
    ids = select(Practice.id).order_by(Practice.id)
    ids = ids if practice_id is None else ids.where(Practice.id == practice_id)
    found = [Witnessed(one, log.head(session, one)) for one in session.scalars(ids)]
    return [one for one in found if one.head.number]


def append(path: Path, witnessed: Sequence[Witnessed], *, now: dt.datetime) -> None:
    """Add a line for each entry and each time stamp that the file lacks."""
    known = set(read(path))
    lines = [json.dumps(_facts(one, now)) for one in witnessed if one not in known]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def _facts(one: Witnessed, now: dt.datetime) -> dict[str, Any]:
    facts = {
        "at": now.isoformat(), "practice_id": one.practice_id, "number": one.head.number, "sha256": one.head.digest
    }  # fmt: skip
    return facts if one.time_stamp is None else {**facts, "time_stamp": b64encode(one.time_stamp).decode()}

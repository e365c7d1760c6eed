"""Look into watched folders: claim the complete files as a group, and make each group one import.

A file moves to `claimed/GROUP/` first, so that no other program mistakes it for new, and stays there until its import
ends. The group is the key of the import, so a worker that is killed at any moment leaves either the files of a group
without an import, which the next look makes, or one import.
"""

import datetime as dt
import secrets
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.db import scope
from core.db.engine import Sessions, transaction
from core.intake.uploads.archive import is_archive
from core.intake.uploads.receive import FILES_MAX, UNFINISHED_MAX, TooManyImports, count_unfinished
from core.intake.watched_folders.disk import CLAIMED, OpenFolder, Stamp, open_folder
from core.intake.watched_folders.groups import Place, follow_groups
from core.intake.watched_folders.problems import Problems
from core.models.watched_folders import WatchedFolder

# Programs give a file such a name until it is complete.
_TEMPORARY: Final = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".writing", ".lock", ".swp")


def look(sessions: Sessions, root: Path, *, every: dt.timedelta, bytes_max: int, now: dt.datetime) -> bool:
    """Look into one folder that is due. Return whether there was one. Another worker skips it meanwhile."""
    with transaction(sessions) as session:
        is_due = or_(WatchedFolder.looked_at.is_(None), WatchedFolder.looked_at <= now - every)
        due = select(WatchedFolder).where(is_due).order_by(WatchedFolder.looked_at.nulls_first())
        folder = session.scalars(due.limit(1).with_for_update(skip_locked=True, key_share=True)).first()
        if folder is None:
            return False
        scope.set_practice(session, folder.practice_id)
        problems = Problems(session, folder, root / folder.name, now=now)
        folder.looked_at, folder.problem = now, None
        with problems.recorded(), open_folder(root, folder.name) as opened:
            place = Place(session, folder, opened, problems, bytes_max, now)
            follow_groups(place)
            if _claim(place):
                follow_groups(place)
        return True


def follow(sessions: Sessions, root: Path, *, bytes_max: int, now: dt.datetime) -> None:
    """After a worker checked or imported something, do what follows for the files of each folder."""
    with transaction(sessions) as session:
        free = select(WatchedFolder).with_for_update(skip_locked=True, key_share=True)
        for folder in session.scalars(free.order_by(WatchedFolder.practice_id)).all():
            scope.set_practice(session, folder.practice_id)
            problems = Problems(session, folder, root / folder.name, now=now)
            with problems.recorded(), open_folder(root, folder.name) as opened:
                follow_groups(Place(session, folder, opened, problems, bytes_max, now))


def has_due(session: Session, *, every: dt.timedelta, now: dt.datetime) -> bool:
    """Return whether a look into a folder is due."""
    is_due = or_(WatchedFolder.looked_at.is_(None), WatchedFolder.looked_at <= now - every)
    return session.scalar(select(WatchedFolder.practice_id).where(is_due).limit(1)) is not None


def _claim(place: Place) -> bool:
    """Move the complete files into new groups. Remember the others until the next look. Return whether some moved."""
    found = {name: stamp for name, stamp in place.opened.files().items() if not _is_temporary(name)}
    before = place.folder.seen
    stable = {name: stamp for name, stamp in found.items() if before.get(_key(name)) == list(stamp)}
    place.folder.seen = {_key(name): stamp for name, stamp in found.items()}
    free = UNFINISHED_MAX - count_unfinished(place.session, place.folder.practice_id)
    if stable and free < 1:
        raise TooManyImports
    groups = list(islice(_groups_of(stable, place.bytes_max), free))
    if groups:
        with place.opened.folder(CLAIMED) as claimed:
            for names in groups:
                _claim_group(place, claimed, names)
    return bool(groups)


def _claim_group(place: Place, claimed: OpenFolder, names: list[str]) -> None:
    """Move the files into a new group. One that the workers may not read stays, and holds up no other."""
    with claimed.folder(secrets.token_hex(8)) as group:
        for name in names:
            with place.problems.recorded(), suppress(FileNotFoundError):  # its writer may have removed it
                place.opened.open(name).close()
                place.opened.move(name, group)


def _groups_of(stable: dict[str, Stamp], bytes_max: int) -> Iterator[list[str]]:
    """Yield files that fit into one import, then each zip by itself, because its limit and its faults are of a whole.

    A file over the limit is refused later. Of two names that differ only in case, the second waits.
    """
    chosen: list[str] = []
    taken: set[str] = set()
    size = 0
    for name, stamp in stable.items():
        if is_archive(name):
            continue
        if len(chosen) == FILES_MAX or (chosen and size + stamp.size > bytes_max):
            break
        if name.casefold() not in taken:
            chosen.append(name)
            taken.add(name.casefold())
            size += stamp.size
    if chosen:
        yield chosen
    yield from ([name] for name in stable if is_archive(name))


def _key(name: str) -> str:
    """Return the name as JSON can store it. On the disk, it may be any bytes."""
    return name.encode(errors="backslashreplace").decode()


def _is_temporary(name: str) -> bool:
    """Return whether the name is hidden, or one that programs use until the file is complete."""
    return name.startswith((".", "~")) or name.lower().endswith(_TEMPORARY)

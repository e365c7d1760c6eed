"""Look into watched folders: claim the complete files as a group, and make each group one import.

A file moves to `claimed/GROUP/` first, so that no other program mistakes it for new, and stays there until its import
ends. The group is the key of the import, so a worker that is killed at any moment leaves either the files of a group
without an import, which the next look makes, or one import.
"""

import datetime as dt
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.db.engine import Sessions, transaction
from core.intake.uploads.receive import FILES_MAX, UNFINISHED_MAX, TooManyImports, count_unfinished
from core.intake.watched_folders import problems
from core.intake.watched_folders.disk import Stamp, open_folder
from core.intake.watched_folders.groups import CLAIMED, Place, follow_groups
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
        folder.looked_at, folder.problem = now, None
        with problems.recorded(folder), open_folder(root, folder.name) as opened:
            place = Place(session, folder, opened, bytes_max, now)
            follow_groups(place)
            if _claim(place):
                follow_groups(place)
        return True


def follow(sessions: Sessions, root: Path, *, bytes_max: int, now: dt.datetime) -> None:
    """After a worker checked or imported something, do what follows for the files of each folder."""
    with transaction(sessions) as session:
        free = select(WatchedFolder).with_for_update(skip_locked=True, key_share=True)
        for folder in session.scalars(free.order_by(WatchedFolder.practice_id)).all():
            with problems.recorded(folder), open_folder(root, folder.name) as opened:
                follow_groups(Place(session, folder, opened, bytes_max, now))


def has_due(session: Session, *, every: dt.timedelta, now: dt.datetime) -> bool:
    """Return whether a look into a folder is due."""
    is_due = or_(WatchedFolder.looked_at.is_(None), WatchedFolder.looked_at <= now - every)
    return session.scalar(select(WatchedFolder.practice_id).where(is_due).limit(1)) is not None


def _claim(place: Place) -> bool:
    """Move the complete files into a new group. Remember the others until the next look. Return whether some moved."""
    found = {name: stamp for name, stamp in place.opened.files().items() if not _is_temporary(name)}
    before = {name: Stamp(*stamp) for name, stamp in place.folder.seen.items()}
    chosen = _fitting({name: stamp for name, stamp in found.items() if before.get(name) == stamp}, place.bytes_max)
    place.folder.seen = found
    if not chosen:
        return False
    if count_unfinished(place.session, place.folder.practice_id) >= UNFINISHED_MAX:
        raise TooManyImports
    with place.opened.folder(CLAIMED) as claimed, claimed.folder(secrets.token_hex(8)) as group:
        for name in chosen:
            with suppress(FileNotFoundError):  # its writer may have removed it
                place.opened.move(name, group)
    place.folder.seen = {name: stamp for name, stamp in found.items() if name not in chosen}
    return True


def _fitting(stable: dict[str, Stamp], bytes_max: int) -> list[str]:
    """Return the first files that fit into one import. A file over the limit gets its own group, and is refused later.

    Of two names that differ only in case, the second waits for the next group.
    """
    chosen: list[str] = []
    taken: set[str] = set()
    size = 0
    for name, stamp in stable.items():
        if len(chosen) == FILES_MAX or (chosen and size + stamp.size > bytes_max):
            break
        if name.casefold() not in taken:
            chosen.append(name)
            taken.add(name.casefold())
            size += stamp.size
    return chosen


def _is_temporary(name: str) -> bool:
    """Return whether the name is hidden, or one that programs use until the file is complete."""
    return name.startswith((".", "~")) or name.lower().endswith(_TEMPORARY)

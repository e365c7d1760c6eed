"""Which practice has a watched folder, and how its files are imported."""

import datetime as dt
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotFound, Refusal
from core.intake.uploads.receive import BadFiles, check_name
from core.models.people import User
from core.models.practices import Practice
from core.models.watched_folders import WatchedFolder


class BadFolderName(BadInput):
    """Name a folder inside of SETTLE_WATCH_DIR, without a path."""


class FolderTaken(Refusal):
    """Another practice has this folder. Give each practice its own."""


class NoSuchFolder(NotFound):
    """This practice has no watched folder."""


class Watched(NamedTuple):
    """A watched folder, with names."""

    folder: WatchedFolder
    practice: str
    email: str


def watch(session: Session, name: str, *, imports_clean: bool, by: Actor, now: dt.datetime) -> None:
    """Watch the folder for the practice of this user, who becomes the one who imports. It replaces an earlier one.

    Raise `BadFolderName`, `FolderTaken`, and `NotAllowed` if the user may not import.
    """
    by.require(Action.IMPORT)
    try:
        check_name(name)
    except BadFiles:
        raise BadFolderName from None
    values = {"name": name, "user_id": by.user_id, "imports_clean": imports_clean, "changed_at": now}
    folder = session.get(WatchedFolder, by.practice_id, with_for_update=True)
    if folder is None:
        folder = WatchedFolder(practice_id=by.practice_id, seen={}, **values)
        session.add(folder)
    else:
        for column, value in {**values, "seen": {}, "looked_at": None, "problem": None}.items():
            setattr(folder, column, value)
    try:
        session.flush()
    except IntegrityError:
        raise FolderTaken from None
    subject = Subject.practice(by.practice_id)
    audit.record(session, "practice.folder_watched", subject, by=by, now=now, imports_clean=imports_clean)


def stop_watching(session: Session, *, by: Actor, now: dt.datetime) -> None:
    """Stop watching the folder. Files in it stay where they are. Raise `NoSuchFolder`."""
    by.require(Action.IMPORT)
    mine = delete(WatchedFolder).where(WatchedFolder.practice_id == by.practice_id)
    if session.scalar(mine.returning(WatchedFolder.practice_id)) is None:
        raise NoSuchFolder
    audit.record(session, "practice.folder_unwatched", Subject.practice(by.practice_id), by=by, now=now)


def list_watched(session: Session) -> list[Watched]:
    """Return the watched folders of all practices."""
    rows = (
        select(WatchedFolder, Practice.name, User.email)
        .join(Practice, Practice.id == WatchedFolder.practice_id)
        .join(User, User.id == WatchedFolder.user_id)
    )
    return [Watched(*row) for row in session.execute(rows.order_by(Practice.name))]

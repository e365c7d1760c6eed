"""What stops the work on a watched folder, for `settle folder list` and as a notice. Each look tries again."""

import datetime as dt
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, roles_allowing
from core.enums.notices import EventKind, NoticeKind
from core.enums.people import Role
from core.errors import Refusal
from core.intake.watched_folders.disk import CLAIMED, DONE, REFUSED
from core.models.people import User
from core.models.watched_folders import WatchedFolder
from core.notices.folder_problems import FILES_REFUSED, PROBLEMS, UNUSABLE
from core.notices.record import notify, record_events

_CODES: Final = {
    errno.ENOENT: "missing", errno.ENOTDIR: "not_a_folder", errno.ELOOP: "not_a_folder", errno.EACCES: "no_permission",
    errno.EPERM: "no_permission", errno.EROFS: "read_only", errno.ENOSPC: "disk_full", errno.EDQUOT: "disk_full",
    errno.EFBIG: "disk_full", errno.EXDEV: "other_disk", errno.ENOTEMPTY: "not_empty",
}  # fmt: skip


class FileChanged(Refusal):
    """A file changed while it was read. It is read again with the next look."""


class Problems:
    """The problems of one look. A new one gives a user a notice."""

    def __init__(self, session: Session, folder: WatchedFolder, path: Path, *, now: dt.datetime) -> None:
        """Remember the problem of the last look."""
        self._session, self._folder, self._path, self._now = session, folder, path, now
        self._last = folder.problem

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record what stops the work in the block, and continue after it."""
        try:
            yield
        except OSError as error:
            code = _CODES.get(error.errno or 0, UNUSABLE)
            where = Path(error.filename or self._path)
            wrong, cure = PROBLEMS[code]
            name = f" ({errno.errorcode.get(error.errno or 0, 'error')})" if code == UNUSABLE else ""
            words = f"{where}: {wrong}{name}. {cure[0].upper()}{cure[1:]}."
            self._record(words, because=code, where=self._inner(where))
        except FileChanged as refusal:
            self._folder.problem = refusal.message
        except Refusal as refusal:
            self._record(refusal.message, because=refusal.code)

    def _record(self, words: str, *, because: str, where: str = "") -> None:
        if words not in (self._last, self._folder.problem):
            _tell(self._session, self._folder, now=self._now, because=because, where=where)
        self._folder.problem = words

    def _inner(self, where: Path) -> str:
        """Return which folder in the watched folder it is, if any. A notice names no file."""
        return next((one for one in (CLAIMED, DONE, REFUSED) if where.is_relative_to(self._path / one)), "")


def tell_refused(session: Session, folder: WatchedFolder, files: int, *, now: dt.datetime) -> None:
    """Tell the user how many files were refused without an import."""
    if files:
        _tell(session, folder, now=now, because=FILES_REFUSED, files=files)


def _tell(session: Session, folder: WatchedFolder, *, now: dt.datetime, **facts: Any) -> None:
    """Give the folder's user a notice. If that user may no longer import, the practice's administrators get it."""
    kind, practice_id = EventKind.IMPORT_NEEDS_USER, folder.practice_id
    may_import = (User.active, User.role.in_(roles_allowing(Action.IMPORT)))
    users = session.scalars(select(User.id).where(User.id == folder.user_id, *may_import)).all()
    if not users:
        admins = select(User.id).where(User.practice_id == practice_id, User.active, User.role == Role.ADMIN)
        users = session.scalars(admins).all()
    made = record_events(session, [kind], facts, practice_id=practice_id, now=now)
    notify(session, made[kind], NoticeKind.IMPORT, users, practice_id=practice_id, now=now)

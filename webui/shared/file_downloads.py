"""Downloads. A file is complete before its first byte is sent, so that a slow client holds no transaction open.

Files that are not fetched yet are in the temporary folder, limited for each user and in total.
"""

import errno
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import ClassVar, Final

from flask import Flask, Response, current_app, request
from sqlalchemy.orm import Session
from werkzeug.wsgi import wrap_file

from core.access.permissions import Actor
from core.db.engine import transaction
from core.errors import Refusal
from webui.shared.app_context import app_context

CSV: Final = "text/csv; charset=utf-8"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ZIP: Final = "application/zip"
_CONTENT_TYPES: Final = {"csv": CSV, "xlsx": XLSX, "zip": ZIP}  # by the ending of the name

IN_MEMORY_BYTES_MAX: Final = 1024 * 1024  # of one file; the rest of a larger one is on disk
# A user with this many unfetched bytes cannot get another file. A file of a million claims is about 200 MB, so the
# temporary folder holds at most the second figure plus one such file, and what a workbook needs while it is written.
UNFETCHED_BYTES_PER_USER_MAX: Final = 64 * 1024 * 1024
UNFETCHED_BYTES_MAX: Final = 256 * 1024 * 1024

# A function in a request's environ: wait briefly while pages are being answered.
YIELD_TO_PAGES: Final = "settle.yield_to_pages"
_EXTENSION_KEY: Final = "settle-files"


class TooManyFiles(Refusal):
    """Your other downloads are not finished. Finish or cancel them, then try again."""

    http_status = HTTPStatus.TOO_MANY_REQUESTS
    retry_after_seconds: ClassVar[int | None] = 30


class NoRoomForFile(Refusal):
    """The server has no room for another file right now. Try again in a minute."""

    http_status = HTTPStatus.SERVICE_UNAVAILABLE
    retry_after_seconds: ClassVar[int | None] = 60


class UnfetchedFile(SpooledTemporaryFile[bytes]):
    """A complete file, until it is closed or lost with its request."""

    release_quota: Callable[[], None] | None = None

    def close(self) -> None:
        """Delete it and release its quota."""
        super().close()
        make_room, self.release_quota = self.release_quota, None
        if make_room is not None:
            make_room()

    def __del__(self) -> None:
        self.close()


class UnfetchedFiles:
    """The unfetched files of this process, by user."""

    def __init__(
        self, *, of_person_bytes_max: int = UNFETCHED_BYTES_PER_USER_MAX, bytes_max: int = UNFETCHED_BYTES_MAX
    ) -> None:
        """Start empty."""
        self._user_bytes_max, self._bytes_max = of_person_bytes_max, bytes_max
        self._lock = threading.RLock()  # a lost file may be closed by the thread that is counting another
        self._bytes_by_user: Counter[int] = Counter()

    def refuse_if_full(self, user_id: int) -> None:
        """Raise `TooManyFiles` or `NoRoomForFile` if another file would be too much."""
        with self._lock:
            if self._bytes_by_user[user_id] >= self._user_bytes_max:
                raise TooManyFiles
            if self._bytes_by_user.total() >= self._bytes_max:
                raise NoRoomForFile

    def keep(self, file: UnfetchedFile, user_id: int, size: int) -> None:
        """Count the file until it is closed."""
        self._add(user_id, size)
        file.release_quota = partial(self._add, user_id, -size)

    def _add(self, user_id: int, size: int) -> None:
        with self._lock:
            self._bytes_by_user[user_id] += size
            if not self._bytes_by_user[user_id]:
                del self._bytes_by_user[user_id]


def register(app: Flask) -> None:
    """Give the application its unfetched files."""
    app.extensions[_EXTENSION_KEY] = UnfetchedFiles()


def send_file(
    *,
    by: Actor,
    name: str,
    record: Callable[[Session], None],
    pieces: Callable[[Session], Iterator[str] | Iterator[bytes]],
) -> Response:
    """Send the file that `pieces` produce, after `record` has committed who downloads it.

    `record` raises a refusal if the user may not download it. Raise `TooManyFiles` and `NoRoomForFile` before that.
    """
    shelf: UnfetchedFiles = current_app.extensions[_EXTENSION_KEY]
    shelf.refuse_if_full(by.user_id)
    with transaction(app_context().sessions) as session:
        record(session)
    file, size = _write_file(pieces)
    shelf.keep(file, by.user_id, size)
    content_type = _CONTENT_TYPES[name.rpartition(".")[2]]
    response = Response(wrap_file(request.environ, file), content_type=content_type, direct_passthrough=True)
    response.content_length = size
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _do_not_yield() -> None:
    """Do nothing. A different server does not offer this function."""


def _write_file(pieces: Callable[[Session], Iterator[str] | Iterator[bytes]]) -> tuple[UnfetchedFile, int]:
    """Write the file in one transaction that ends before anything is sent. Return it, rewound, with its size."""
    yield_to_pages = request.environ.get(YIELD_TO_PAGES, _do_not_yield)
    file = UnfetchedFile(max_size=IN_MEMORY_BYTES_MAX)
    try:
        with app_context().sessions() as session:
            for piece in pieces(session):
                file.write(piece.encode() if isinstance(piece, str) else piece)
                yield_to_pages()
    except OSError as error:
        file.close()
        if error.errno == errno.ENOSPC:
            raise NoRoomForFile from error
        raise
    size = file.tell()
    file.seek(0)
    return file, size

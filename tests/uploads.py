"""Upload the template's files, and do the worker's part in this process."""

import datetime as dt
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text

from core.db.engine import Sessions, make_engine, make_sessions
from core.intake.csv.csv_template import write_template
from core.intake.uploads import commands, import_queries, lifecycle, receive, run
from core.intake.uploads.lifecycle import ImportKey
from core.models.imports import ImportJob
from tests.factories import NOW, GivenPractice

BYTES_MAX = 50_000_000


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip of these files."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return archive.getvalue()


class Uploads:
    """Imports into one practice, whose worker is this process."""

    def __init__(self, practice: GivenPractice, progress_sessions: Sessions, folder: Path) -> None:
        self.practice, self._progress_sessions = practice, progress_sessions
        write_template(folder)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".csv"}

    def begin(self, files: dict[str, bytes] | None = None, *, key: str = "key", **request: Any) -> ImportKey:
        """Announce files."""
        names = [receive.UploadedFile(name, len(content)) for name, content in (files or self.files).items()]
        request = {"bytes_max": BYTES_MAX, "idempotency_key": key, **request}
        return lifecycle.key_of(self.practice.act(receive.begin, names, **request))

    def upload(self, files: dict[str, bytes] | None = None, *, key: str = "key", **request: Any) -> ImportKey:
        """Upload files in one request."""
        streams = [(name, io.BytesIO(content)) for name, content in (files or self.files).items()]
        request = {"bytes_max": BYTES_MAX, "idempotency_key": key, **request}
        return lifecycle.key_of(self.practice.act(receive.receive_at_once, streams, **request))

    def changed(self, file: str, old: str, new: str) -> dict[str, bytes]:
        """Return the files with a text replaced in one of them."""
        assert old.encode() in self.files[file]
        return {**self.files, file: self.files[file].replace(old.encode(), new.encode(), 1)}

    def work(self, *, now: dt.datetime = NOW) -> bool:
        """Do what a worker does once."""
        return run.work(
            self.practice.sessions, progress_sessions=self._progress_sessions, bytes_max=BYTES_MAX, clock=lambda: now
        )

    def checked(self, files: dict[str, bytes] | None = None, **request: Any) -> ImportJob:
        """Upload files, let a worker check them, and return the import."""
        key = self.upload(files, **request)
        assert self.work()
        return self.read(key)

    def imported(self, files: dict[str, bytes] | None = None, **request: Any) -> ImportJob:
        """Upload files, import them, and return the import."""
        key = lifecycle.key_of(self.checked(files, **request))
        self.practice.act(commands.confirm, key)
        assert self.work()
        return self.read(key)

    def read(self, key: ImportKey) -> ImportJob:
        """Return the import as it is now."""
        with self.practice.sessions() as session:
            return import_queries.find(session, key)

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        with self.practice.sessions() as session:
            return int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


@contextmanager
def uploads_of(practice: GivenPractice, folder: Path) -> Iterator[Uploads]:
    """Yield the imports into the practice."""
    engine = make_engine(practice.sessions.kw["bind"].url.render_as_string(hide_password=False))
    yield Uploads(practice, make_sessions(engine), folder)
    engine.dispose()

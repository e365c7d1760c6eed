"""Accidents while a worker checks or imports: nothing is half in, and each ends in words that name the cure."""

import errno
import os
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Select, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.books.closing import IMPORT_LOCK
from core.db.engine import transaction
from core.enums.imports import ImportStatus
from core.intake.loading import stages
from core.intake.uploads import codes, commands, lifecycle, receive, run, worker_folder
from core.intake.uploads.progress import ImportStopped, ProgressWriter, WorkerStopping
from core.models.imports import ImportJob
from tests.factories import NOW, a_practice
from tests.uploads import BYTES_MAX, Uploads
from tests.waiting import eventually

S = ImportStatus
_FULL = """
CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER is_full BEFORE INSERT ON claim FOR EACH STATEMENT EXECUTE FUNCTION is_full();
"""


def test_a_full_disk_of_the_database_refuses_the_import(uploads: Uploads) -> None:
    key = uploads.upload()
    uploads.work()
    uploads.practice.act(commands.confirm, key)
    uploads.practice.sql(_FULL)

    assert uploads.work()

    job = uploads.read(key)
    assert (job.status, job.refused_because) == (S.REFUSED, codes.DATABASE_DISK_FULL)
    assert (uploads.count("claim"), uploads.count("patient"), uploads.count("import_piece")) == (0, 1, 0)
    assert "free space" in codes.describe(codes.DATABASE_DISK_FULL)


@pytest.mark.parametrize(("accident", "because"), [
    ("disk_full", codes.DATABASE_DISK_FULL),
    ("lock_not_available", None),
])  # fmt: skip
def test_an_accident_while_rows_are_copied_is_named_too(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch, accident: str, because: str | None
) -> None:
    uploads.practice.sql(_FULL.partition("CREATE TRIGGER")[0].replace("disk_full", accident))
    copy_into = stages._copy_into

    def fail(session: Session, table: str, columns: Sequence[str]) -> AbstractContextManager[psycopg.Copy]:
        trigger = f"CREATE TRIGGER is_full BEFORE INSERT ON {table} EXECUTE FUNCTION is_full()"
        session.execute(text(trigger))
        return copy_into(session, table, columns)

    monkeypatch.setattr(stages, "_copy_into", fail)
    key = uploads.upload()
    with nullcontext() if because else pytest.raises(OperationalError, match="could not extend file"):
        uploads.work()

    assert (uploads.read(key).refused_because, uploads.read(key).attempts) == (because, 1 if because else 0)


def test_a_full_disk_refuses_a_piece_and_keeps_the_others(uploads: Uploads) -> None:
    key = uploads.begin()
    uploads.practice.act(receive.put_piece, key, file=0, number=0, content=next(iter(uploads.files.values())))
    uploads.practice.sql(_FULL.replace("ON claim", "ON import_piece"))

    with pytest.raises(receive.NoRoomForFiles, match="free space"):
        uploads.practice.act(receive.put_piece, key, file=0, number=0, content=next(iter(uploads.files.values())))

    assert uploads.count("import_piece") == 1


def test_the_files_of_a_killed_worker_are_deleted_and_those_of_a_living_one_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    killed = subprocess.Popen(["true"])
    killed.wait()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for pid in (killed.pid, os.getpid()):
        (tmp_path / f"settle-import-{pid}-x").mkdir()
        (tmp_path / f"settle-import-{pid}-x" / "claims.csv").touch()

    worker_folder.remove_stale()

    assert [path.name for path in tmp_path.iterdir()] == [f"settle-import-{os.getpid()}-x"]


def test_a_full_temporary_folder_refuses_the_import(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    key = uploads.upload()

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", refuse)
    assert uploads.work()
    monkeypatch.undo()

    assert uploads.read(key).refused_because == codes.WORKER_DISK_FULL
    assert "TMPDIR" in codes.describe(codes.WORKER_DISK_FULL)


def test_an_unexpected_error_refuses_the_import_without_its_text(
    uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = uploads.upload()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("patient Jane Doe")

    monkeypatch.setattr(run, "import_csv", fail)
    assert uploads.work()

    job = uploads.read(key)
    assert (job.status, job.refused_because) == (S.REFUSED, codes.UNEXPECTED_ERROR)
    assert "Jane" not in f"{job.report}"


def test_files_that_end_every_worker_are_refused_after_three(uploads: Uploads) -> None:
    key = uploads.upload()
    for _ in range(run.ATTEMPTS_MAX):  # a worker begins, and dies before its transaction ends
        assert run._begin(uploads.practice.sessions, key, now=NOW)
    assert uploads.read(key).status is S.CHECKING

    assert not uploads.work()

    assert uploads.read(key).refused_because == codes.WORKER_DIED


def test_an_import_that_another_worker_has_is_left_alone(uploads: Uploads) -> None:
    key = uploads.upload()
    with transaction(uploads.practice.sessions) as other:
        assert lifecycle.try_lease(other, key.practice_id)
        assert not uploads.work()
    assert uploads.work()


def test_another_practice_is_checked_while_one_waits(uploads: Uploads, tmp_path: Path) -> None:
    uploads.upload()
    other = Uploads(a_practice(uploads.practice.sessions, name="Harbor"), uploads._progress_sessions, tmp_path / "b")
    of_other = other.upload()
    with transaction(uploads.practice.sessions) as session:
        assert lifecycle.try_lease(session, uploads.practice.id)
        assert other.work()
    assert other.read(of_other).status is S.READY


def test_a_discarded_import_stops_its_worker_and_leaves_nothing(uploads: Uploads) -> None:
    key = uploads.upload()
    assert run._begin(uploads.practice.sessions, key, now=NOW)
    uploads.practice.act(commands.discard, key)

    with pytest.raises(ImportStopped):
        ProgressWriter(uploads.practice.sessions, key)("claims.csv", 1, 2)
    progress = ProgressWriter(uploads._progress_sessions, key)
    run._run(uploads.practice.sessions, key, progress=progress, bytes_max=BYTES_MAX, clock=lambda: NOW)

    assert uploads.read(key).status is S.DISCARDED
    assert uploads.count("claim") == 0


def test_progress_is_written_while_the_import_waits_for_its_commit(uploads: Uploads) -> None:
    key = uploads.upload()
    assert run._begin(uploads.practice.sessions, key, now=NOW)
    write = ProgressWriter(uploads.practice.sessions, key)
    write("claims.csv", 10, 100)
    write("claims.csv", 20, 100)  # within a second
    write("postings.csv", 30, 100)

    job = uploads.read(key)

    assert (job.phase, job.phase_done, job.phase_total) == ("postings.csv", 30, 100)


def test_discard_ends_a_statement_of_the_worker_that_checks(uploads: Uploads) -> None:
    key = uploads.upload()
    with uploads.practice.sessions() as other:
        other.execute(lock_of_imports(uploads))  # the check waits in its middle
        with ThreadPoolExecutor() as threads:
            working = threads.submit(uploads.work)
            eventually(lambda: uploads.read(key).phase == "checking and loading")
            uploads.practice.act(commands.discard, key)
            assert working.result(timeout=20)
    assert uploads.read(key).status is S.DISCARDED
    assert uploads.count("claim") == 0


def lock_of_imports(uploads: Uploads) -> Select[tuple[None]]:
    return select(func.pg_advisory_xact_lock(IMPORT_LOCK + uploads.practice.id))


def test_a_worker_that_stops_leaves_the_import_to_another_one(uploads: Uploads) -> None:
    key = uploads.upload()
    with pytest.raises(WorkerStopping):
        run.work(
            uploads.practice.sessions, progress_sessions=uploads._progress_sessions, bytes_max=BYTES_MAX,
            clock=lambda: NOW, is_stopping=lambda: True,
        )  # fmt: skip
    assert (uploads.read(key).status, uploads.read(key).attempts) == (S.CHECKING, 0)
    assert uploads.work()
    assert uploads.read(key).status is S.READY


def test_two_uploads_at_once_are_two_imports(uploads: Uploads) -> None:
    first, second = uploads.upload(key="first"), uploads.upload(key="second")
    assert uploads.work()
    assert uploads.work()
    assert {uploads.read(key).status for key in (first, second)} == {S.READY}


def test_a_failure_that_passes_by_itself_is_retried_and_does_not_count(uploads: Uploads) -> None:
    key = uploads.upload()
    uploads.work()
    uploads.practice.act(commands.confirm, key)
    uploads.practice.sql(_FULL.replace("disk_full", "lock_not_available"))

    with pytest.raises(Exception, match="could not extend file"):
        uploads.work()

    with uploads.practice.sessions() as session:
        assert session.scalar(select(ImportJob.attempts).where(*key.of(ImportJob))) == 0
    uploads.practice.sql("DROP TRIGGER is_full ON claim")
    assert uploads.work()
    assert uploads.read(key).status is S.IMPORTED

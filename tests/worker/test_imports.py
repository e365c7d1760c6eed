"""Real workers check and import. A worker that is killed in the middle leaves nothing half in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.books.closing import IMPORT_LOCK
from core.db.engine import Sessions
from core.enums.imports import ImportStatus
from core.intake.uploads import commands
from core.intake.uploads.lifecycle import ImportKey
from core.settings import TASK_IMPORT
from tests.factories import GivenPractice, a_practice
from tests.uploads import Uploads, uploads_of
from tests.waiting import eventually
from tests.workers import Workers

S = ImportStatus


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    """A practice."""
    return a_practice(sessions)


@pytest.fixture
def uploads(practice: GivenPractice, tmp_path: Path) -> Iterator[Uploads]:
    """Imports into the practice."""
    with uploads_of(practice, tmp_path / "template") as uploads:
        yield uploads


def has_status(uploads: Uploads, key: ImportKey, status: ImportStatus) -> None:
    eventually(lambda: uploads.read(key).status is status, seconds=60)


@pytest.mark.parametrize("hinted", [True, False])
def test_a_worker_checks_and_imports_with_or_without_a_hint(uploads: Uploads, worker: Workers, hinted: bool) -> None:
    key = uploads.upload()
    if hinted:
        worker.hint(TASK_IMPORT, *key)
    has_status(uploads, key, S.READY)
    uploads.practice.act(commands.confirm, key)
    has_status(uploads, key, S.IMPORTED)
    assert (uploads.count("claim"), uploads.count("import_piece")) == (2, 0)


@pytest.mark.parametrize("status", [S.CHECKING, S.IMPORTING])
def test_a_killed_workers_import_starts_over_and_is_imported_once(
    uploads: Uploads, worker: Workers, status: ImportStatus
) -> None:
    key, after = uploads.upload(), S.READY
    lock = text("SELECT pg_advisory_xact_lock(:key)")
    if status is S.IMPORTING:
        has_status(uploads, key, S.READY)
        after = S.IMPORTED
    with uploads.practice.sessions() as other:
        other.execute(lock, {"key": IMPORT_LOCK + uploads.practice.id})  # the import waits in its middle
        if status is S.IMPORTING:
            uploads.practice.act(commands.confirm, key)
        eventually(lambda: (job := uploads.read(key)).status is status and job.phase == "checking and loading")
        worker.kill()
        eventually(lambda: not worker.settle.is_running())
    assert uploads.read(key).status is status
    assert uploads.count("claim") == 0

    worker.start()

    has_status(uploads, key, after)
    assert uploads.count("claim") == (2 if after is S.IMPORTED else 0)


def test_a_worker_whose_import_is_discarded_checks_the_next_one(uploads: Uploads, worker: Workers) -> None:
    wrong = uploads.upload(key="wrong")
    with uploads.practice.sessions() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": IMPORT_LOCK + uploads.practice.id})
        eventually(lambda: uploads.read(wrong).phase == "checking and loading")
        uploads.practice.act(commands.discard, wrong)

    right = uploads.upload(key="right")

    has_status(uploads, right, S.READY)
    assert worker.settle.is_running()
    assert uploads.read(wrong).status is S.DISCARDED

"""What a worker does with an import: check its files and undo everything, or import them, in one transaction."""

import datetime as dt
import errno
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Actor
from core.access.users import actor_for
from core.db.engine import Sessions, transaction
from core.db.transient import DISK_FULL, is_transient, sqlstate
from core.enums.imports import WORKER_STATUSES, ImportSource, ImportStatus
from core.errors import NotAllowed
from core.intake.csv.csv_import import import_csv
from core.intake.mapping.import_file import import_file
from core.intake.mapping.mapping import Mapping
from core.intake.parsing.faults import FaultKind, ImportRefused
from core.intake.parsing.folder import Progress
from core.intake.synthea.synthea_import import Payments, import_synthea
from core.intake.uploads import codes, import_queries, lifecycle, mapping_questions, report, worker_folder
from core.intake.uploads.lifecycle import ImportKey
from core.intake.uploads.lists import ERRORS, ListFiles
from core.intake.uploads.progress import ImportStopped, ProgressWriter, WorkerStopping
from core.intake.uploads.x12_files import import_x12
from core.models.imports import ImportJob
from core.models.people import User
from core.practices import practice_queries

ATTEMPTS_MAX: Final = 3
_TIMEOUTS: Final = text(
    # Without the interval, a server in a long statement does not notice that its worker died, and keeps its locks.
    "SELECT set_config('lock_timeout', '60s', true), set_config('client_connection_check_interval', '2s', true)"
)

Clock = Callable[[], dt.datetime]
S = ImportStatus

log: Final = structlog.get_logger(__name__)


def work(
    sessions: Sessions,
    *,
    progress_sessions: Sessions,
    bytes_max: int,
    clock: Clock,
    is_stopping: Callable[[], bool] = lambda: False,
) -> bool:
    """Check or import the files of one waiting import. Return whether there was one.

    One import of a practice runs at a time. `progress_sessions` has its own connection, because the import's
    transaction lasts until its end. A killed worker's transaction is rolled back, and the next call starts over.
    """
    with transaction(sessions) as session:
        waiting = import_queries.list_waiting(session)
    # Take practices in random order, because an unreadable import must not block others. Keep each practice's order.
    turn = {practice_id: random.random() for practice_id, _ in waiting}  # noqa: S311  no secret
    for key in sorted(waiting, key=lambda key: (turn[key.practice_id], key.import_id)):
        if _begin(sessions, key, now=clock()):
            progress = ProgressWriter(progress_sessions, key, is_stopping=is_stopping)
            _run(sessions, key, progress=progress, bytes_max=bytes_max, clock=clock)
            return True
    return False


def check_and_load(
    session: Session,
    job: ImportJob,
    folder: Path,
    names: list[str],
    *,
    lists: ListFiles,
    progress: Progress,
    now: dt.datetime,
) -> dict[str, Any]:
    """Load the files into the practice of the import, in this transaction. Return the report.

    Raise `ImportRefused` with every mistake, and `NotAllowed` if the user may no longer import.
    """
    source = job.source or report.guess_source(folder, names)
    practice = practice_queries.find(session, job.practice_id)
    is_import = job.status is S.IMPORTING
    takes = is_import and job.options.get("take_changes", False)
    corrects = is_import and job.options.get("post_corrections", False)
    given: dict[str, Any] = {
        "practice_name": practice.name, "now": now, "progress": progress, "by": _user(session, job),
        "faults": lists.faults(),
        "options": replace(
            lists.options(take_changes=takes, post_corrections=corrects, check_only=not is_import), import_id=job.id
        ),
    }  # fmt: skip
    if source is ImportSource.FILE:
        imported = import_file(session, folder / names[0], Mapping.of(job.options["mapping"]), **given)
    elif source is ImportSource.X12:
        imported = import_x12(session, [folder / name for name in names], **given)
    elif source is ImportSource.SYNTHEA:
        given["payments"] = Payments(job.options.get("payments", Payments.ALL))
        given["skip_empty_claims"] = job.options.get("skip_empty_claims", False)
        imported = import_synthea(session, folder, **given)
    else:
        imported = import_csv(session, folder, **given)
    lists.close()
    return {**report.files_read(names, source, imported), **report.of_imported(imported, lists)}


def _user(session: Session, job: ImportJob) -> Actor:
    """Return the user who confirmed or requested the import. Raise `NotAllowed` if their account was deactivated."""
    user = session.get_one(User, job.confirmed_by or job.requested_by)
    if not user.active:
        raise NotAllowed
    return actor_for(user)


def _begin(sessions: Sessions, key: ImportKey, *, now: dt.datetime) -> bool:
    """Count the attempt before it starts, because it may kill its worker. Return whether to proceed."""
    with transaction(sessions, key.practice_id) as session:
        if not lifecycle.try_lease(session, key.practice_id):
            return False
        job = lifecycle.lock(session, key)
        if job.status not in WORKER_STATUSES:
            return False
        if job.attempts >= ATTEMPTS_MAX:
            _refuse(session, job, because=codes.WORKER_DIED, now=now)
            return False
        if job.status is S.STAGED:
            lifecycle.transition(session, key, source=S.STAGED, target=S.CHECKING)
        attempt = {"attempts": ImportJob.attempts + 1, "phase": None, "phase_done": 0, "phase_total": 0}
        session.execute(update(ImportJob).where(*key.of(ImportJob)).values(attempt))
        return True


def _run(sessions: Sessions, key: ImportKey, *, progress: ProgressWriter, bytes_max: int, clock: Clock) -> None:
    where = log.bind(practice_id=key.practice_id, import_id=key.import_id)
    worker_folder.remove_stale()
    try:
        with transaction(sessions, key.practice_id) as session, worker_folder.temporary() as folder:
            session.execute(_TIMEOUTS)
            if lifecycle.try_lease(session, key.practice_id):
                _check_or_import(session, key, Path(folder), progress=progress, bytes_max=bytes_max, now=clock())
            else:  # another worker has it, so this does not count as an attempt
                given_back = update(ImportJob).where(*key.of(ImportJob), ImportJob.attempts > 0)
                session.execute(given_back.values(attempts=ImportJob.attempts - 1))
    except ImportStopped:
        where.info("import_stopped")
    except Exception as error:
        because = _cause(error)
        with transaction(sessions, key.practice_id) as session:
            job = lifecycle.lock(session, key)
            is_stopped = job.status not in WORKER_STATUSES
            if because is None:
                job.attempts -= 1  # retried unchanged; the attempt does not count, because the worker survived
            else:
                _refuse(session, job, because=because, now=clock())
        if is_stopped:
            where.info("import_stopped")
            return
        where.exception("import_failed", because=because)
        if because is None:
            raise


def _check_or_import(
    session: Session, key: ImportKey, folder: Path, *, progress: ProgressWriter, bytes_max: int, now: dt.datetime
) -> None:
    """Load the files. Keep the rows only if the user confirmed them, and the result is what the check showed."""
    job = session.scalars(select(ImportJob).where(*key.of(ImportJob))).one()
    # Changing the object would lock its row, which progress updates and Discard need until the end.
    session.expunge(job)
    is_import = job.status is S.IMPORTING
    if not is_import and job.status is not S.CHECKING:
        return
    found: dict[str, Any] = {}
    uploaded, made = folder / "uploaded", folder / "made"
    uploaded.mkdir()
    made.mkdir()
    lists = ListFiles(made)
    try:
        with session.begin_nested() as savepoint, closing(lists):
            names = worker_folder.write_files(session, job, uploaded, progress=progress, bytes_max=bytes_max)
            source = job.source or report.guess_source(uploaded, names)
            found |= report.files_read(names, source)
            if source is ImportSource.FILE and mapping_questions.asks_for_mapping(
                session, job, uploaded, names, found, now=now
            ):
                return
            found |= check_and_load(session, job, uploaded, names, lists=lists, progress=progress, now=now)
            is_import = is_import and report.same_result(job.report, found)
            if not is_import:
                savepoint.rollback()
        if not is_import and found["corrected"]:
            # The user sees what an import adds without the corrections, as in a check.
            job.options = {**job.options, "post_corrections": False}
            with session.begin_nested() as savepoint, closing(ListFiles(made)) as lists:
                found |= check_and_load(session, job, uploaded, names, lists=lists, progress=progress, now=now)
                savepoint.rollback()
    except ImportRefused as refused:
        if mapping_questions.asks_for_words(session, job, uploaded, found, refused.faults, now=now):
            return
        of_faults = {**found, **report.of_faults(refused.faults)}
        only_limits = all(fault.first[0].kind is FaultKind.LIMIT for fault in refused.faults)
        because = codes.OVER_LIMIT if only_limits else codes.FAULTS
        if _refuse(session, job, because=because, now=now, report=of_faults):
            lists.store(session, key, [ERRORS])
        return
    _save(session, job, found, is_import=is_import, now=now)
    lists.store(session, key)


def _save(session: Session, job: ImportJob, found: dict[str, Any], *, is_import: bool, now: dt.datetime) -> None:
    """Record the result in the import's transaction. Raise `ImportStopped` if a user has discarded it."""
    key, source = lifecycle.key_of(job), job.status
    hashes = [file["sha256"] for file in job.files]
    found["same_files_as"] = import_queries.find_same_files(session, job, hashes)
    values: dict[str, Any] = {"files": job.files, "report": found, "phase": None}
    if is_import:
        values |= {"finished_at": now}
        moved = lifecycle.transition(session, key, source=source, target=S.IMPORTED, **values)
    else:
        found["changed_since_check"] = source is S.IMPORTING
        if source is S.CHECKING:
            values["options"] = job.options  # the check may have recognized the mapping
        values |= {"checked_at": now, "confirmed_by": None, "confirmed_at": None, "attempts": 0}
        moved = lifecycle.transition(session, key, source=source, target=S.READY, **values)
    if not moved:
        raise ImportStopped
    if is_import:
        audit.record(
            session, "import.finished", key.subject(), by=job.confirmed_by, now=now, claims=found["added"]["claims"]
        )


def _refuse(
    session: Session, job: ImportJob, *, because: str, now: dt.datetime, report: dict[str, Any] | None = None
) -> bool:
    """End the import and record the reason. Nothing was imported. Return False if it has already ended."""
    key, source = lifecycle.key_of(job), job.status
    if (source, S.REFUSED) not in lifecycle.TRANSITIONS:
        return False
    values = {
        "refused_because": because, "report": report, "files": job.files, "options": job.options, "finished_at": now,
        "phase": None,
    }  # fmt: skip
    if not lifecycle.transition(session, key, source=source, target=S.REFUSED, **values):
        return False
    audit.record(session, "import.refused", key.subject(), by=None, now=now, because=because)
    return True


def _cause(error: Exception) -> str | None:
    """Return the code of an error that ends the import, or None for a temporary one."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return codes.WORKER_DISK_FULL
    if isinstance(error, WorkerStopping):
        return None
    if isinstance(error, NotAllowed):
        return codes.REQUESTER_MAY_NOT
    if sqlstate(error) == DISK_FULL:
        return codes.DATABASE_DISK_FULL
    return None if is_transient(error) else codes.UNEXPECTED_ERROR

"""The statuses of an import and the moves between them: one table, and the only function that changes a status."""

from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.orm import Session

from core.access.audit import Subject
from core.enums.imports import ENDED_STATUSES, ImportStatus
from core.errors import NotFound, Refusal, or_raise
from core.models.imports import ImportJob, ImportPiece

S = ImportStatus

TRANSITIONS: Final[dict[tuple[ImportStatus, ImportStatus], str]] = {
    (S.UPLOADING, S.STAGED): "every piece has arrived",
    (S.UPLOADING, S.DISCARDED): "discarded, or no piece arrived for a day",
    (S.STAGED, S.CHECKING): "a worker took it",
    (S.STAGED, S.DISCARDED): "discarded by a user",
    (S.STAGED, S.REFUSED): "every worker that took it died",
    (S.CHECKING, S.READY): "its files have no errors",
    (S.CHECKING, S.NEEDS_MAPPING): "a user must say what a column or a value means",
    (S.NEEDS_MAPPING, S.STAGED): "a user gave the mapping or chose a sheet",
    (S.NEEDS_MAPPING, S.DISCARDED): "discarded, or no mapping within a week",
    (S.CHECKING, S.REFUSED): "its files have errors, or they could not be read",
    (S.CHECKING, S.DISCARDED): "discarded by a user",
    (S.READY, S.IMPORTING): "confirmed by a user",
    (S.READY, S.STAGED): "a user wants different columns from the office's own file",
    (S.READY, S.DISCARDED): "discarded, or not confirmed within a week",
    (S.IMPORTING, S.IMPORTED): "its claims were committed",
    (S.IMPORTING, S.READY): "the practice's data changed since the check, so its totals are new",
    (S.IMPORTING, S.REFUSED): "the practice's data changed since the check, so its files have errors",
}
STATUS_WORDS: Final = {
    S.UPLOADING: "uploading",
    S.STAGED: "waiting for a worker",
    S.CHECKING: "being checked",
    S.NEEDS_MAPPING: "waiting for its mapping",
    S.READY: "ready to import",
    S.IMPORTING: "being imported",
    S.IMPORTED: "imported",
    S.REFUSED: "stopped",
    S.DISCARDED: "discarded",
}


class NoSuchImport(NotFound):
    """This practice has no import with that number."""


class WrongImportStatus(Refusal):
    """The import's status does not allow this."""


class ImportKey(NamedTuple):
    """One import in one practice."""

    practice_id: int
    import_id: int

    def of(self, table: type[ImportJob | ImportPiece]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        """Return the conditions that select this import's rows of `table`."""
        import_id: Any = table.id if table is ImportJob else table.import_id  # type: ignore[union-attr]
        return (table.practice_id == self.practice_id, import_id == self.import_id)

    def subject(self) -> Subject:
        """Return the import as the subject of an audit entry."""
        return Subject.of("import", self.import_id, practice_id=self.practice_id)


def key_of(job: ImportJob) -> ImportKey:
    """Return the key of the import."""
    return ImportKey(job.practice_id, job.id)


def lock(session: Session, key: ImportKey) -> ImportJob:
    """Lock the import until the transaction ends and return it as it is now. Raise `NoSuchImport`."""
    found = select(ImportJob).where(*key.of(ImportJob)).with_for_update(key_share=True)
    return or_raise(session.scalars(found.execution_options(populate_existing=True)).one_or_none(), NoSuchImport)


def transition(session: Session, key: ImportKey, *, source: ImportStatus, target: ImportStatus, **values: Any) -> bool:
    """Move the import if it is still in `source`, and set `values`. Return whether this call moved it.

    When an import ends, its files are deleted. If it was imported, the lists from its check are kept. If it was
    refused, the caller then stores the list of errors.
    """
    assert (source, target) in TRANSITIONS, (source, target)
    moved = update(ImportJob).where(*key.of(ImportJob), ImportJob.status == source)
    if session.scalar(moved.values(status=target, **values).returning(ImportJob.id)) is None:
        return False
    if target in ENDED_STATUSES:
        kept = [ImportPiece.file >= 0] if target is S.IMPORTED else []
        session.execute(delete(ImportPiece).where(*key.of(ImportPiece), *kept))
    return True


def try_lease(session: Session, practice_id: int) -> bool:
    """Take the lease on the practice's imports until the transaction ends, unless another worker has it."""
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(_lease(practice_id)))))


def stop_worker(session: Session, practice_id: int) -> None:
    """End the connection of the worker that has the lease, so that the practice's next import need not wait.

    The worker reconnects. Canceling a statement is not enough, because the worker may be between two statements.
    """
    key = _lease(practice_id)
    # PostgreSQL shows the key of an advisory lock as two numbers of 32 bits.
    holder = text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
        "AND (classid::bigint << 32) | objid::bigint = :key"
    )
    session.execute(holder, {"key": session.scalar(select(key))})


def _lease(practice_id: int) -> ColumnElement[int]:
    return func.hashtextextended(f"import into practice {practice_id}", 0)


def wrong_status(job: ImportJob, what: str) -> WrongImportStatus:
    """Return a refusal with the import's status and what it does not allow."""
    words = STATUS_WORDS[job.status]
    message = f"The import is already {words}" if job.status in ENDED_STATUSES else f"The import is {words}"
    return WrongImportStatus(f"{message}, so it cannot {what}.", status=job.status.value)

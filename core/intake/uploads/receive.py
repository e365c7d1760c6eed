"""Receive the files of an import, in pieces that web processes and workers share through PostgreSQL."""

import datetime as dt
import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, BinaryIO, ClassVar, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.permissions import Action, Actor
from core.counting import counted
from core.db.transient import DISK_FULL, sqlstate
from core.enums.imports import ENDED_STATUSES, ImportSource, ImportStatus
from core.errors import BadInput, Refusal
from core.intake.uploads import lifecycle
from core.intake.uploads.lifecycle import ImportKey
from core.jobs.preview.freezing import BadIdempotencyKey, IdempotencyMismatch
from core.models.imports import PIECE_BYTES_MAX, ImportJob, ImportPiece

FILES_MAX: Final = 400  # X12 files of a week; the page announces them in one form of at most 1,000 fields
FILE_NAME_CHARACTERS_MAX: Final = 200
UNFINISHED_MAX: Final = 5  # for each practice, because their files are in the database
_FORBIDDEN_IN_NAMES: Final = frozenset('/\\:*?"<>|')


class BadFiles(BadInput):
    """Choose the files to import."""


class ImportTooLarge(BadInput):
    """These files are too large for one import."""

    http_status: ClassVar[HTTPStatus] = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class TooManyImports(Refusal):
    """Your practice has too many unfinished imports. Import or discard one of them first."""


class BadPiece(BadInput):
    """This piece does not belong to the file."""


class NoRoomForFiles(Refusal):
    """The database's disk is full. Ask the person who runs your server to free space on it, then upload again."""

    code = "database_disk_full"
    http_status: ClassVar[HTTPStatus] = HTTPStatus.INSUFFICIENT_STORAGE


class UploadIncomplete(Refusal):
    """Some pieces of the files have not arrived."""


class UploadedFile(NamedTuple):
    """A file of an import, as announced before the upload."""

    name: str
    size: int  # bytes


def begin(
    session: Session,
    files: Sequence[UploadedFile],
    *,
    source: ImportSource | None = None,
    options: dict[str, Any] | None = None,
    expected_cents: int | None = None,
    bytes_max: int,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> ImportJob:
    """Create an import that waits for the pieces of its files. The same key returns the same import.

    Raise `BadFiles`, `ImportTooLarge`, `TooManyImports` and `IdempotencyMismatch`.
    """
    authorize.require_current_role(session, by, Action.IMPORT)
    if not idempotency_key.isprintable():
        raise BadIdempotencyKey
    check_files(files, bytes_max=bytes_max)
    request = repr((files, source, sorted((options or {}).items()), expected_cents))
    values = {
        "practice_id": by.practice_id,
        "status": ImportStatus.UPLOADING,
        "source": source,
        "options": options or {},
        "files": [{"name": file.name, "bytes": file.size} for file in files],
        "expected_cents": expected_cents,
        "requested_by": by.user_id,
        "requested_at": now,
        "received_at": now,
        "idempotency_key": idempotency_key,
        "request_hash": hashlib.sha256(request.encode()).hexdigest(),
    }
    made = insert(ImportJob).values(values).on_conflict_do_nothing(constraint="one_import_for_each_idempotency_key")
    new_id = session.scalar(made.returning(ImportJob.id))
    of_key = (
        ImportJob.practice_id == by.practice_id,
        ImportJob.requested_by == by.user_id,
        ImportJob.idempotency_key == idempotency_key,
    )
    job = session.scalars(select(ImportJob).where(*of_key)).one()
    if job.request_hash != values["request_hash"]:
        raise IdempotencyMismatch
    if new_id is not None and count_unfinished(session, by.practice_id) > UNFINISHED_MAX:
        raise TooManyImports(
            f"Your practice has {UNFINISHED_MAX} unfinished imports. Import or discard one of them first."
        )
    return job


def check_files(files: Sequence[UploadedFile], *, bytes_max: int) -> None:
    """Raise `BadFiles` or `ImportTooLarge` unless these files can be one import."""
    if not 1 <= len(files) <= FILES_MAX:
        raise BadFiles(f"Choose 1 to {FILES_MAX} files to import.")
    for file in files:
        check_name(file.name)
        if file.size < 1:
            raise BadFiles(f"{file.name} is empty. Export it again.")
    folded = [file.name.casefold() for file in files]
    if len(set(folded)) < len(folded):
        raise BadFiles("Two files have the same name. Give each file its own name.")
    total = sum(file.size for file in files)
    if total > bytes_max:
        raise ImportTooLarge(
            f"The files total {megabytes(total)}. An import can be up to {megabytes(bytes_max)}. "
            "Export fewer months at a time."
        )


def check_name(name: str) -> None:
    """Raise `BadFiles` unless the name is a plain file name, without folders."""
    is_plain = name.isprintable() and not _FORBIDDEN_IN_NAMES & set(name) and not name.startswith(".")
    if not is_plain or not 1 <= len(name.strip()) == len(name) <= FILE_NAME_CHARACTERS_MAX:
        raise BadFiles("A file's name must be plain text without folders. Rename the file.")


def put_piece(
    session: Session, key: ImportKey, *, file: int, number: int, content: bytes, by: Actor, now: dt.datetime
) -> None:
    """Store one piece. A piece that is sent again replaces the earlier one.

    Raise `BadPiece`, `WrongImportStatus` and `NoRoomForFiles`.
    """
    job = _lock(session, key, by)
    if not 0 <= file < len(job.files):
        raise BadPiece(f"The import has {counted(len(job.files), 'file')}, numbered from 0. There is no file {file}.")
    of_file = job.files[file]
    size = piece_size(of_file["bytes"], number)
    if len(content) != size:
        raise BadPiece(
            f"Piece {number} of {of_file['name']} has {size:,} bytes, but {len(content):,} arrived. Send it again."
        )
    values = {"practice_id": key.practice_id, "import_id": key.import_id, "file": file, "number": number}
    piece = insert(ImportPiece).values(**values, content=content)
    job.received_at = now
    try:
        session.execute(piece.on_conflict_do_update(index_elements=list(values), set_={"content": content}))
    except DBAPIError as error:
        if sqlstate(error) == DISK_FULL:
            raise NoRoomForFiles from None
        raise


def piece_size(size: int, number: int) -> int:
    """Return the size of a piece of a file with `size` bytes, or 0 if the file has no piece `number`."""
    return max(0, min(PIECE_BYTES_MAX, size - number * PIECE_BYTES_MAX)) if number >= 0 else 0


def finish(session: Session, key: ImportKey, *, by: Actor, now: dt.datetime) -> ImportJob:
    """Hand the complete files to the workers. A second call changes nothing.

    Raise `UploadIncomplete` naming the first missing piece, and `WrongImportStatus`.
    """
    authorize.require_current_role(session, by, Action.IMPORT)
    job = lifecycle.lock(session, key)
    if job.status is not ImportStatus.UPLOADING:
        if job.status is ImportStatus.DISCARDED:
            raise lifecycle.wrong_status(job, "be checked")
        return job
    for index, file in enumerate(job.files):
        missing = _first_missing(session, key, index, pieces=-(-file["bytes"] // PIECE_BYTES_MAX))
        if missing is not None:
            raise UploadIncomplete(
                f"{file['name']} is incomplete: piece {missing} has not arrived. Send it, or upload the file again.",
                file=index,
                piece=missing,
            )
    moved = lifecycle.transition(session, key, source=ImportStatus.UPLOADING, target=ImportStatus.STAGED)
    assert moved, "the row is locked"
    size = sum(file["bytes"] for file in job.files)
    audit.record(session, "import.uploaded", key.subject(), by=by, now=now, files=len(job.files), bytes=size)
    session.refresh(job)
    return job


def receive_at_once(
    session: Session, files: Iterable[tuple[str, BinaryIO]], *, by: Actor, now: dt.datetime, **request: Any
) -> ImportJob:
    """Store files that arrived in one request, and hand them to the workers. Raise what `begin` raises."""
    given = list(files)
    sizes = [UploadedFile(name, stream.seek(0, os.SEEK_END)) for name, stream in given]
    job = begin(session, sizes, by=by, now=now, **request)
    if job.status is not ImportStatus.UPLOADING:
        return job
    for index, (_, stream) in enumerate(given):
        stream.seek(0)
        for number, content in enumerate(iter(partial(stream.read, PIECE_BYTES_MAX), b"")):
            put_piece(session, lifecycle.key_of(job), file=index, number=number, content=content, by=by, now=now)
    return finish(session, lifecycle.key_of(job), by=by, now=now)


def received_bytes(session: Session, key: ImportKey) -> int:
    """Return how many bytes have arrived."""
    pieces = select(func.coalesce(func.sum(func.octet_length(ImportPiece.content)), 0))
    return int(session.scalars(pieces.where(*key.of(ImportPiece))).one())


def megabytes(size: int) -> str:
    """Return a size for people, in KB or MB."""
    if size < 100_000:  # noqa: PLR2004  it would show as 0.0 MB
        return f"{-(-size // 1_000):,} KB"
    return f"{size / 1_000_000:,.1f} MB" if size < 10_000_000 else f"{size // 1_000_000:,} MB"  # noqa: PLR2004


def _lock(session: Session, key: ImportKey, by: Actor) -> ImportJob:
    """Lock an import that is being uploaded by this user's practice."""
    authorize.require_current_role(session, by, Action.IMPORT)
    job = lifecycle.lock(session, key)
    if job.status is not ImportStatus.UPLOADING:
        raise lifecycle.wrong_status(job, "receive more files")
    return job


def _first_missing(session: Session, key: ImportKey, file: int, *, pieces: int) -> int | None:
    """Return the number of the first piece that has not arrived, or None."""
    number = func.generate_series(0, pieces - 1).table_valued("value").render_derived()
    arrived = select(ImportPiece.number).where(*key.of(ImportPiece), ImportPiece.file == file)
    missing: int | None = session.scalar(select(func.min(number.c.value)).where(number.c.value.not_in(arrived)))
    return missing


def count_unfinished(session: Session, practice_id: int) -> int:
    """Return how many imports of the practice have not ended."""
    unfinished = (ImportJob.practice_id == practice_id, ImportJob.status.not_in(ENDED_STATUSES))
    return session.scalars(select(func.count()).select_from(ImportJob).where(*unfinished)).one()

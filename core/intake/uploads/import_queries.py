"""Find imports."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from core.enums.imports import WORKER_STATUSES, ImportStatus
from core.errors import or_raise
from core.intake.uploads.lifecycle import ImportKey, NoSuchImport
from core.models.imports import ImportJob


def find(session: Session, key: ImportKey) -> ImportJob:
    """Return the import. Raise `NoSuchImport`, even if it exists in another practice."""
    return or_raise(session.scalars(select(ImportJob).where(*key.of(ImportJob))).one_or_none(), NoSuchImport)


def list_imports(session: Session, practice_id: int, *, limit: int, before_id: int | None = None) -> list[ImportJob]:
    """Return the practice's imports without their reports, newest first, optionally only those before `before_id`."""
    imports = select(ImportJob).where(ImportJob.practice_id == practice_id)
    imports = imports.options(defer(ImportJob.report, raiseload=True))  # one may have 10,000 places
    if before_id is not None:
        imports = imports.where(ImportJob.id < before_id)
    return list(session.scalars(imports.order_by(ImportJob.id.desc()).limit(limit)))


def claims_added(session: Session, practice_id: int, import_ids: list[int]) -> dict[int, int]:
    """Return how many claims each of these imports added. Those that are not imported are left out."""
    claims = ImportJob.report["added"]["claims"].as_integer()
    imported = (ImportJob.practice_id == practice_id, ImportJob.status == ImportStatus.IMPORTED)
    found = select(ImportJob.id, claims).where(*imported, ImportJob.id.in_(import_ids))
    return dict(session.execute(found).all())


def news(session: Session, practice_id: int, import_ids: list[int]) -> dict[int, dict[str, Any]]:
    """Return, for each of these imports that is ready, the parts of its report that say whether anything is new."""
    report = ImportJob.report
    parts = (report["differences"]["count"], report["corrections"]["to_post"], report["nothing_new"])
    ready = (ImportJob.practice_id == practice_id, ImportJob.status == ImportStatus.READY)
    found = session.execute(select(ImportJob.id, *parts).where(*ready, ImportJob.id.in_(import_ids)))
    return {
        id_: {"differences": {"count": count}, "corrections": {"to_post": to_post}, "nothing_new": nothing_new}
        for id_, count, to_post, nothing_new in found
    }


def list_waiting(session: Session) -> list[ImportKey]:
    """Return the imports in all practices that a worker has yet to check or import, oldest first."""
    imports = select(ImportJob.practice_id, ImportJob.id).where(ImportJob.status.in_(WORKER_STATUSES))
    return [ImportKey(*row) for row in session.execute(imports.order_by(ImportJob.id))]


def find_with_file(session: Session, practice_id: int, sha256: str) -> int | None:
    """Return the practice's newest import with a file of this SHA-256 sum that was not refused or discarded, if any."""
    same = (ImportJob.practice_id == practice_id, ImportJob.files.contains([{"sha256": sha256}]))
    ended_badly = ImportJob.status.in_((ImportStatus.REFUSED, ImportStatus.DISCARDED))
    found = select(ImportJob.id).where(*same, ~ended_badly).order_by(ImportJob.id.desc())
    return session.scalars(found.limit(1)).first()


def find_same_files(session: Session, job: ImportJob, hashes: list[str]) -> int | None:
    """Return the practice's newest completed import of files with exactly these SHA-256 sums, if any."""
    done = select(ImportJob.id, ImportJob.files).where(
        ImportJob.practice_id == job.practice_id, ImportJob.status == ImportStatus.IMPORTED, ImportJob.id != job.id
    )
    for import_id, files in session.execute(done.order_by(ImportJob.id.desc())):
        if sorted(file["sha256"] for file in files) == sorted(hashes):
            return int(import_id)
    return None

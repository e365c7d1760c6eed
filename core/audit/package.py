"""The audit package of a practice: a zip whose files prove each other, for an auditor without our database.

`verify_package` is the proof. docs/audit-package.md describes each file.
"""

import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy.orm import Session

from core.books.invariants import begin_snapshot
from core.books.month_sums import POSTING_TEXT
from core.jobs.frozen import JOB_TEXT
from core.models.people import AuditHead
from core.practices import practice_queries

FORMAT: Final = "settle-audit-package"
VERSION: Final = 1
_EPOCH: Final = "extract(epoch FROM d.at)"
# JSON lines where a text is hashed as it is. The rest is CSV.
_FILES: Final = {
    "acts.jsonl": """
        SELECT jsonb_build_array(l.number, l.digest, (jsonb_build_array(lag(l.digest, 1, '') OVER (ORDER BY l.number),
            e.practice_id, e.id, extract(epoch FROM e.at), e.user_id, e.act, e.subject, e.facts) ||
            CASE WHEN l.postings_sha256 IS NULL THEN '[]'
                 ELSE jsonb_build_array(l.transaction_id, l.postings_sha256) END)::text)::text
        FROM audit_link l JOIN audit_entry e ON e.practice_id = l.practice_id AND e.id = l.entry_id
        WHERE l.practice_id = %(practice_id)s ORDER BY l.number""",
    "postings.jsonl": f"SELECT {POSTING_TEXT} FROM posting p WHERE p.practice_id = %(practice_id)s ORDER BY p.id",
    "digests.csv": f"""
        SELECT d.id, d.job_id, {_EPOCH} AS at, d.first_id, d.last_id, d.ids, d.postings, d.sha256, d.transaction_id
        FROM posting_digest d WHERE d.practice_id = %(practice_id)s ORDER BY d.id""",
    "balances.csv": """
        SELECT n.claim_id, c.external_id AS claim_number, n.number AS line, n.insurance_due AS insurance_cents,
               n.patient_due AS patient_cents
        FROM line_item n JOIN claim c ON c.practice_id = n.practice_id AND c.id = n.claim_id
        WHERE n.practice_id = %(practice_id)s ORDER BY n.claim_id, n.number""",
    "jobs.jsonl": f"""
        SELECT jsonb_build_array(j.id, j.status, j.decided_by, {JOB_TEXT})::text
        FROM settle_job j WHERE j.practice_id = %(practice_id)s ORDER BY j.id""",
    "items.csv": """
        SELECT i.job_id, i.position, i.claim_id, i.claim_version, i.billing_status_before,
               i.settles_insurance, i.settles_patient, i.insurance_cents,
               i.patient_cents, i.verdict, i.verdict_code, i.outcome
        FROM job_item i WHERE i.practice_id = %(practice_id)s ORDER BY i.job_id, i.position""",
}  # fmt: skip


class _Written(io.RawIOBase):
    """Where the zip file is written. `take` returns what was written since the last call."""

    def __init__(self) -> None:
        """Start empty."""
        self._bytes = bytearray()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, block: Any, /) -> int:
        """Keep the block."""
        self._bytes += block
        return len(block)

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken


def file_name(now: dt.datetime) -> str:
    """Return the name of the package."""
    return f"audit-package-{now.astimezone(dt.UTC):%Y-%m-%d}.zip"


def pieces(session: Session, practice_id: int, *, now: dt.datetime) -> Iterator[bytes]:
    """Yield the package as it is at one moment, in pieces. The session's transaction must be new."""
    begin_snapshot(session)
    yield from packed(session, practice_id, now=now)


def packed(session: Session, practice_id: int, *, now: dt.datetime) -> Iterator[bytes]:
    """Yield the package as this transaction sees it, in pieces."""
    practice, head = practice_queries.find(session, practice_id), session.get(AuditHead, practice_id)
    written, files = _Written(), {}
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, query in _FILES.items():
            sha256, rows = hashlib.sha256(), -1 if name.endswith(".csv") else 0
            with archive.open(_entry(name, now), "w", force_zip64=True) as file:
                for row in _copied(session, name, query, practice_id):
                    file.write(row)
                    sha256.update(row)
                    rows += 1
                    if taken := written.take():
                        yield taken
            files[name] = {"rows": rows, "sha256": sha256.hexdigest()}
        about = {
            "format": FORMAT, "version": VERSION, "made_at": now.isoformat(),
            "practice": {"id": practice_id, "name": practice.name},
            "head": {"number": head.number if head else 0, "sha256": head.digest if head else ""}, "files": files,
        }  # fmt: skip
        archive.writestr(_entry("package.json", now), json.dumps(about, indent=1))
    yield written.take()


def _entry(name: str, now: dt.datetime) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, now.astimezone(dt.UTC).timetuple()[:6])
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
    return entry


def _copied(session: Session, name: str, query: str, practice_id: int) -> Iterator[bytes]:
    """Yield the file's rows. A CSV file begins with its column names."""
    is_csv = name.endswith(".csv")
    options = "FORMAT csv, HEADER" if is_csv else "FORMAT text"
    connection: Any = session.connection().connection.driver_connection
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({query}) TO STDOUT ({options})", {"practice_id": practice_id}) as copy,
    ):
        for row in copy:
            # The text format doubles each backslash. JSON has no other character that it escapes.
            yield bytes(row) if is_csv else bytes(row).replace(rb"\\", b"\\")

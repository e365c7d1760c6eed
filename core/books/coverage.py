"""What the digests do not cover, because an earlier version wrote it."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.books.check import of_practice

_JOBS: Final = text(f"""
    SELECT count(*) FROM settle_job j WHERE {of_practice("j")} AND j.confirmed_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM audit_entry e WHERE e.practice_id = j.practice_id AND e.subject = 'job:' || j.id
           AND e.facts ? 'frozen_sha256')""")  # noqa: S608 – put together from constants


def count_uncovered(session: Session, *, practice_id: int | None) -> int:
    """Return how many confirmed jobs have no digest of their preview in the audit log."""
    return int(session.scalars(_JOBS, {"practice_id": practice_id}).one())

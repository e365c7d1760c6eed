"""What the act that ends a job says of it: its counts, and a digest of what its chunks count.

Chunks are not chained one by one: each would wait for the chain's end. They are written down together, once.
"""

from typing import Any, Final

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from core.jobs.keys import JobKey
from core.jobs.models import JobChunk

SUMMED: Final = ("settled", "skipped", "failed", "insurance_cents", "patient_cents")
_HASHED: Final = (
    "first_position", "last_position", *SUMMED, "insurance_before_cents", "patient_before_cents",
    "insurance_after_cents", "patient_after_cents",
)  # fmt: skip


def counted(session: Session, key: JobKey) -> dict[str, Any]:
    """The sums over the job's chunks, and SHA-256 of their numbers: a line "first|last|settled|…" each, in order."""
    line = func.concat_ws("|", *(getattr(JobChunk, name) for name in _HASHED))
    lines = func.string_agg(line, aggregate_order_by(literal("\n"), JobChunk.first_position))
    sums = [func.coalesce(func.sum(getattr(JobChunk, name)), 0).label(name) for name in SUMMED]
    digest = func.encode(func.sha256(func.convert_to(lines, "UTF8")), "hex").label("chunks_sha256")
    row = session.execute(select(*sums, digest).where(*key.of(JobChunk))).one()._mapping
    return {**{name: int(row[name]) for name in SUMMED}, "chunks_sha256": row["chunks_sha256"]}

"""Compare a job's counters, items and ledger to the cent before it completes. Each statement is built once."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.orm import Session

from core.enums.job_items import Outcome
from core.enums.jobs import JobKind
from core.enums.ledger import Responsibility
from core.jobs.keys import JobKey
from core.models.job_items import JobChunk, JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting

BYTES_AS_LONG_AS_A_CLAIM: Final = 4_096  # as many bytes of postings are scanned while one claim is looked up
_CENTS: Final = tuple(f"{side.value}_cents" for side in Responsibility)


def _labeled(columns: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
    return select(*(column.label(name) for name, column in columns.items()))


def _of_chunks() -> Select[Any]:
    moments = [f"{side.value}_{moment}_cents" for side in Responsibility for moment in ("before", "after")]
    names = [*Outcome, *_CENTS, *moments]
    return _labeled({name: func.sum(getattr(JobChunk, name)) for name in names}).where(*JobKey.of_named(JobChunk))


def _of_items() -> Select[Any]:
    counts = {outcome.value: func.count().filter(JobItem.outcome == outcome) for outcome in Outcome}
    settled = JobItem.outcome == Outcome.SETTLED
    sums = {name: func.sum(getattr(JobItem, name)).filter(settled) for name in _CENTS}
    return _labeled({**counts, **sums}).where(*JobKey.of_named(JobItem))


def _of_postings() -> Select[Any]:
    of_job = (Posting.practice_id == bindparam("of_practice"), Posting.job_id == bindparam("of_job"))
    sums = {
        f"{side.value}_cents": func.sum(Posting.amount_cents).filter(Posting.responsibility == side)
        for side in Responsibility
    }
    return _labeled(sums).where(*of_job)


_CHUNKS: Final = _of_chunks()
_ITEMS: Final = _of_items()
_POSTINGS: Final = _of_postings()
_POSTINGS_BY_CLAIM: Final = _POSTINGS.where(*JobKey.of_named(JobItem), Posting.claim_id == JobItem.claim_id)
_POSTING_BYTES: Final = select(func.pg_relation_size(cast(Posting.__tablename__, REGCLASS)))


def find_discrepancies(session: Session, job: SettleJob) -> list[str]:
    """Return the names of the totals that differ between the job's chunks, items and postings."""
    key = JobKey(job.practice_id, job.id)
    sign = 1 if job.kind is JobKind.REVERSE else -1  # a write-off lowers the balance, a reversal raises it
    # No index finds the postings of a job. For a large job, one scan is faster than a lookup for each claim.
    scan = session.scalars(_POSTING_BYTES).one() <= (job.claims_total or 0) * BYTES_AS_LONG_AS_A_CLAIM
    chunks, items, ledger = (
        _sums(session, statement, key) for statement in (_CHUNKS, _ITEMS, _POSTINGS if scan else _POSTINGS_BY_CLAIM)
    )
    found = [f"chunks_and_items_{name}" for name, count in items.items() if chunks[name] != count]
    found += [f"items_and_ledger_{name}" for name, cents in ledger.items() if items[name] != sign * cents]
    for side in Responsibility:
        before, moved, after = (chunks[f"{side.value}_{name}"] for name in ("before_cents", "cents", "after_cents"))
        if before + sign * moved != after:
            found.append(f"before_and_after_{side.value}")
    if sum(items[outcome] for outcome in Outcome) != job.claims_total:
        found.append("items_and_total")
    return found


def _sums(session: Session, statement: Select[Any], key: JobKey) -> dict[str, int]:
    row = session.execute(statement, key.named()).one()
    return {name: int(value or 0) for name, value in row._mapping.items()}

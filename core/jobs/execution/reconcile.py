"""Compare a job's counters, items and ledger to the cent before it completes."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, cast, func, select
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.orm import Session

from core.jobs.keys import JobKey
from core.models.job_items import JobChunk, JobItem, Outcome
from core.models.jobs import JobKind, SettleJob
from core.models.ledger import Posting, Responsibility

BYTES_AS_LONG_AS_A_CLAIM: Final = 4_096  # as many bytes of postings are scanned while one claim is looked up
_POSTING_BYTES: Final = select(func.pg_relation_size(cast(Posting.__tablename__, REGCLASS)))


def find_discrepancies(session: Session, job: SettleJob) -> list[str]:
    """Return the names of the totals that differ between the job's chunks, items and postings."""
    key = JobKey(job.practice_id, job.id)
    chunks, items, ledger = (
        _of_chunks(session, key),
        _of_items(session, key),
        _of_ledger(session, job),
    )
    found = [f"chunks_and_items_{name}" for name, count in items.items() if chunks[name] != count]
    found += [f"items_and_ledger_{name}" for name, cents in ledger.items() if items[name] != cents]
    found += [f"before_and_after_{side.value}" for side in Responsibility if not _balances(session, job, side)]
    if sum(items[outcome] for outcome in Outcome) != job.claims_total:
        found.append("items_and_total")
    return found


def _row(
    session: Session,
    columns: Mapping[str, ColumnElement[Any]],
    *conditions: ColumnElement[bool],
) -> dict[str, int]:
    row = session.execute(select(*(column.label(name) for name, column in columns.items())).where(*conditions)).one()
    return {name: int(value or 0) for name, value in row._mapping.items()}


def _of_chunks(session: Session, key: JobKey) -> dict[str, int]:
    names = (*Outcome, "insurance_cents", "patient_cents")
    return _row(
        session,
        {name: func.sum(getattr(JobChunk, name)) for name in names},
        *key.of(JobChunk),
    )


def _of_items(session: Session, key: JobKey) -> dict[str, int]:
    settled = JobItem.outcome == Outcome.SETTLED
    counts = {outcome.value: func.count().filter(JobItem.outcome == outcome) for outcome in Outcome}
    sums = {
        "insurance_cents": func.sum(JobItem.insurance_cents).filter(settled),
        "patient_cents": func.sum(JobItem.patient_cents).filter(settled),
    }
    return _row(session, {**counts, **sums}, *key.of(JobItem))


def _of_ledger(session: Session, job: SettleJob) -> dict[str, int]:
    """Return what the job's postings moved, in cents. A write-off lowers the balance, a reversal raises it."""
    key = JobKey(job.practice_id, job.id)
    moved = _sign(job) * Posting.amount_cents
    sums = {f"{side.value}_cents": func.sum(moved).filter(Posting.responsibility == side) for side in Responsibility}
    of_job = [Posting.practice_id == key.practice_id, Posting.job_id == key.job_id]
    # No index finds the postings of a job. For a large job, one scan is faster than a lookup for each claim.
    if session.scalars(_POSTING_BYTES).one() > (job.claims_total or 0) * BYTES_AS_LONG_AS_A_CLAIM:
        of_job += [*key.of(JobItem), Posting.claim_id == JobItem.claim_id]
    return _row(session, sums, *of_job)


def _balances(session: Session, job: SettleJob, side: Responsibility) -> bool:
    """Return whether the balance before, adjusted by what was posted, equals the balance after."""
    names = ("before", "after")
    columns = {name: func.sum(getattr(JobChunk, f"{side.value}_{name}_cents")) for name in names}
    moved = {"moved": func.sum(getattr(JobChunk, f"{side.value}_cents"))}
    sums = _row(session, {**columns, **moved}, *JobKey(job.practice_id, job.id).of(JobChunk))
    return sums["before"] + _sign(job) * sums["moved"] == sums["after"]


def _sign(job: SettleJob) -> int:
    """Return 1 if the job lowers balances and -1 if it raises them."""
    return 1 if job.kind is JobKind.REVERSE else -1

"""Before a job may say completed, its counters, its items and the ledger must tell the same story to the cent."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from core.jobs.keys import JobKey
from core.jobs.models import JobChunk, JobItem, Outcome, SettleJob
from core.ledger.models import Posting, PostingKind, Responsibility


def faults(session: Session, job: SettleJob) -> list[str]:
    """Compare what the job's chunks count with its items and its postings; name what differs, or give nothing."""
    key = JobKey(job.practice_id, job.id)
    chunks, items, ledger = (
        _of_chunks(session, key),
        _of_items(session, key),
        _of_ledger(session, key),
    )
    found = [f"chunks_and_items_{name}" for name, count in items.items() if chunks[name] != count]
    found += [f"items_and_ledger_{name}" for name, cents in ledger.items() if items[name] != cents]
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


def _of_ledger(session: Session, key: JobKey) -> dict[str, int]:
    by_item = and_(Posting.practice_id == JobItem.practice_id, Posting.claim_id == JobItem.claim_id)
    of_job = (
        *key.of(JobItem),
        by_item,
        Posting.job_id == key.job_id,
        Posting.kind.in_((PostingKind.WRITE_OFF, PostingKind.REVERSAL)),
    )
    written_off = {
        f"{side.value}_cents": func.sum(func.abs(Posting.amount_cents)).filter(Posting.responsibility == side)
        for side in Responsibility
    }
    return _row(session, written_off, *of_job)

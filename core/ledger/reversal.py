"""Reverse a job's write-offs posting by posting. Nothing is deleted.

The caller has locked the claims and checked that only late payments changed them. `decided` has the rows described in
`core.ledger.posting`.
"""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Subquery, and_, func, literal, select, update
from sqlalchemy.orm import Session, aliased

from core.claims.claim_id_array import ClaimIds
from core.ledger import write_offs
from core.ledger.posting import SplitAmount, insert_postings, update_claims
from core.models.claims import Claim, LineItem
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.models.ledger import Posting, PostingKind, Responsibility


def post_counter_entries(session: Session, decided: Subquery, job: SettleJob, *, now: dt.datetime) -> SplitAmount:
    """Post the opposite of each unreversed write-off of the original job on these claims."""
    original = (
        select(Posting.claim_id, Posting.line, Posting.responsibility, Posting.amount_cents, Posting.id)
        .join_from(decided, Posting, Posting.claim_id == decided.c.claim_id)
        .where(
            Posting.practice_id == job.practice_id,
            write_offs.owning_job() == job.reverses_job_id,
            write_offs.is_unreversed(),
        )
        .subquery("original")
    )
    return insert_postings(
        session,
        original,
        practice_id=literal(job.practice_id),
        claim_id=original.c.claim_id,
        line=original.c.line,
        responsibility=original.c.responsibility,
        kind=literal(PostingKind.REVERSAL.value),
        amount_cents=-original.c.amount_cents,
        posted_on=literal(job.posting_date),
        created_at=literal(now),
        user_id=literal(job.confirmed_by, BigInteger),
        job_id=literal(job.id),
        reverses_id=original.c.id,
    )


def restore_lines(session: Session, claim_ids: ClaimIds, job: SettleJob) -> None:
    """Add what this job reversed to the lines' balances."""

    def restored(side: Responsibility) -> ColumnElement[int]:
        return func.coalesce(func.sum(Posting.amount_cents).filter(Posting.responsibility == side), 0)

    sums = (
        select(
            Posting.claim_id,
            Posting.line,
            restored(Responsibility.INSURANCE).label("insurance"),
            restored(Responsibility.PATIENT).label("patient"),
        )
        .where(
            Posting.practice_id == job.practice_id,
            claim_ids.has(Posting.claim_id),
            Posting.job_id == job.id,
        )
        .group_by(Posting.claim_id, Posting.line)
        .subquery("restored")
    )
    put_back = (
        update(LineItem)
        .where(
            LineItem.practice_id == job.practice_id,
            LineItem.claim_id == sums.c.claim_id,
            LineItem.number == sums.c.line,
        )
        .values(
            insurance_due=LineItem.insurance_due + sums.c.insurance, patient_due=LineItem.patient_due + sums.c.patient
        )
    )
    session.execute(put_back, execution_options={"synchronize_session": False})


def restore_claims(session: Session, decided: Subquery, job: SettleJob) -> SplitAmount:
    """Restore the claims' balances and earlier billing status. Return the resulting balances."""
    was = aliased(JobItem, name="was")
    of_original = and_(
        was.practice_id == job.practice_id, was.job_id == job.reverses_job_id, was.claim_id == decided.c.claim_id
    )
    changes: dict[str, Any] = {
        "billing_status": was.billing_status_before,
        "insurance_due": Claim.insurance_due + decided.c.insurance_cents,
        "patient_due": Claim.patient_due + decided.c.patient_cents,
    }
    return update_claims(session, and_(Claim.id == decided.c.claim_id, of_original), job.practice_id, changes)

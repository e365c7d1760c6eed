"""Reading a claim's ledger."""

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from core.models.jobs import SettleJob
from core.models.ledger import GroupCode, PaidBy, Posting, PostingKind, Responsibility, WriteOffReason
from core.models.people import User


@dataclass(frozen=True)
class LedgerRow:
    """One posting with who, when, which job and why; cents, positive raises the due."""

    id: int
    line: int
    responsibility: Responsibility
    kind: PostingKind
    amount_cents: int
    paid_by: PaidBy | None
    group_code: GroupCode | None
    reason_code: str | None
    write_off_reason: WriteOffReason | None
    note: str | None  # the posting's own, or its job's, also of a write-off that is posted again
    posted_on: dt.date
    created_at: dt.datetime
    user_name: str | None  # None: an import or the system
    job_id: int | None
    origin_job_id: int | None  # of what a late payment made: the job whose write-off it takes back or posts again
    reverses_id: int | None
    caused_by_id: int | None  # what came late and took back, or posted again
    source: str | None


def ledger(session: Session, practice_id: int, claim_id: int) -> list[LedgerRow]:
    """Every posting of the claim (its internal id), in the order in which they were made."""
    # The note says why it was written off, so also of what is posted again, and not of what takes it back.
    is_write_off = Posting.kind == PostingKind.WRITE_OFF
    noted = case((is_write_off, func.coalesce(Posting.job_id, Posting.origin_job_id)), else_=Posting.job_id)
    of_job = and_(SettleJob.practice_id == Posting.practice_id, SettleJob.id == noted)
    rows = (
        select(
            Posting.id,
            Posting.line,
            Posting.responsibility,
            Posting.kind,
            Posting.amount_cents,
            Posting.paid_by,
            Posting.group_code,
            Posting.reason_code,
            Posting.write_off_reason,
            func.coalesce(Posting.note, func.nullif(SettleJob.note, "")).label("note"),
            Posting.posted_on,
            Posting.created_at,
            User.name.label("user_name"),
            Posting.job_id,
            Posting.origin_job_id,
            Posting.reverses_id,
            Posting.caused_by_id,
            Posting.source,
        )
        .outerjoin_from(Posting, SettleJob, of_job)
        .outerjoin(
            User,
            and_(User.practice_id == Posting.practice_id, User.id == Posting.user_id),
        )
        .where(Posting.practice_id == practice_id, Posting.claim_id == claim_id)
        .order_by(Posting.posted_on, Posting.id)
    )
    return [LedgerRow(**row._mapping) for row in session.execute(rows)]

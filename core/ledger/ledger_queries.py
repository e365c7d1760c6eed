"""Read a claim's ledger."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session, aliased

from core.enums.imports import ImportSource, ImportStatus
from core.enums.ledger import REASON_NAMES, GroupCode, PaidBy, PostingKind, Responsibility, WriteOffReason
from core.enums.posting_requests import RequestState
from core.ledger import entry_postings, remittance_source
from core.models.imports import ImportJob
from core.models.jobs import SettleJob
from core.models.ledger import Posting
from core.models.people import User
from core.models.posting_requests import PostingRequest
from core.models.remittances import Remittance


@dataclass(frozen=True)
class LedgerRow:
    """One posting with user, time, job and reason. Positive cents raise the balance."""

    id: int
    line: int
    responsibility: Responsibility
    kind: PostingKind
    amount_cents: int
    paid_by: PaidBy | None
    group_code: GroupCode | None
    reason_code: str | None
    write_off_reason: WriteOffReason | None
    reason_name: str | None  # for a write-off: the practice's name for the reason at the job's preview
    note: str | None  # the posting's own note, or its job's; also for a re-posted write-off
    posted_on: dt.date
    created_at: dt.datetime
    user_name: str | None  # None: an import or the system
    approved_by: str | None  # the other user, if it was entered by hand over the per-claim limit
    job_id: int | None
    origin_job_id: int | None  # for a posting made by a late payment: the job whose write-off it reverses or re-posts
    reverses_id: int | None
    caused_by_id: int | None  # the late posting that caused the reversal or re-posting
    source: str | None
    import_id: int | None  # the import that made it, or None if its files were imported by a command
    remittance_id: int | None  # the remittance that made it
    remittance_trace: str | None
    remittance_on: dt.date | None  # the day of its payment

    @property
    def is_void(self) -> bool:
        """Return whether it voids a manual posting. An import also reverses postings, as the payer did."""
        return self.reverses_id is not None and self.source == entry_postings.SOURCE


_OF_POSTING: Final = (
    Posting.id, Posting.line, Posting.responsibility, Posting.kind, Posting.amount_cents, Posting.paid_by,
    Posting.group_code, Posting.reason_code, Posting.write_off_reason, Posting.posted_on, Posting.created_at,
    Posting.job_id, Posting.origin_job_id, Posting.reverses_id, Posting.caused_by_id, Posting.source,
)  # fmt: skip


def list_ledger_rows(session: Session, practice_id: int, claim_id: int) -> list[LedgerRow]:
    """Return every posting on the claim (internal id), in order of posting."""
    # The note explains the write-off, so show it for a re-posted one and not for a reversal.
    is_write_off = Posting.kind == PostingKind.WRITE_OFF
    noted = case((is_write_off, func.coalesce(Posting.job_id, Posting.origin_job_id)), else_=Posting.job_id)
    named = case((is_write_off, SettleJob.practice_reason["name"].astext))
    # An import posts everything at the time at which it ends.
    of_import = (
        select(func.max(ImportJob.id))
        .where(ImportJob.practice_id == Posting.practice_id, ImportJob.finished_at == Posting.created_at)
        .where(ImportJob.status == ImportStatus.IMPORTED, Posting.source.in_([one.value for one in ImportSource]))
        .scalar_subquery()
    )
    of_remittance = and_(
        Remittance.practice_id == Posting.practice_id, Remittance.id == remittance_source.remittance_id()
    )
    of_job = and_(SettleJob.practice_id == Posting.practice_id, SettleJob.id == noted)
    approver = aliased(User)
    of_request = and_(entry_postings.is_of_entry(), PostingRequest.state == RequestState.POSTED)
    rows = (
        select(
            *_OF_POSTING,
            named.label("reason_name"),
            func.coalesce(Posting.note, func.nullif(SettleJob.note, "")).label("note"),
            User.name.label("user_name"),
            approver.name.label("approved_by"),
            of_import.label("import_id"),
            Remittance.id.label("remittance_id"),
            Remittance.trace.label("remittance_trace"),
            Remittance.paid_on.label("remittance_on"),
        )
        .outerjoin_from(Posting, SettleJob, of_job)
        .outerjoin(Remittance, of_remittance)
        .outerjoin(User, and_(User.practice_id == Posting.practice_id, User.id == Posting.user_id))
        .outerjoin(PostingRequest, of_request)
        .outerjoin(approver, approver.id == PostingRequest.decided_by)
        .where(Posting.practice_id == practice_id, Posting.claim_id == claim_id)
        .order_by(Posting.posted_on, Posting.id)
    )
    return [_with_name(LedgerRow(**row._mapping)) for row in session.execute(rows)]


def _with_name(row: LedgerRow) -> LedgerRow:
    """Fill in the reason name from the kind, because jobs of earlier versions did not store the name."""
    if row.reason_name is not None or row.write_off_reason is None:
        return row
    return replace(row, reason_name=REASON_NAMES[row.write_off_reason])

"""Settle the claims in a chunk in one transaction, each step as one statement over all of them.

Every read that a decision depends on is in a statement after the locks. An earlier version locked and decided in one
statement. It wrote off $1.00 when a payment had already reduced the balance to $0.40.

Each statement is built once, with named parameters, as in `chunks`.
"""

import datetime as dt
from collections import Counter
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, bindparam, func, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from core import calendar_months
from core.claims.claim_id_array import ClaimIds, is_in
from core.db import timeouts
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import JobKind, JobStatus
from core.jobs import codes, posting_month
from core.jobs.execution import chunks, recheck
from core.jobs.execution.chunks import BUSY_TRIES_MAX, ITEMS, Chunk, ChunkCounts
from core.jobs.execution.recheck import RecheckResult, SkippedByCode
from core.ledger import posting, reversal
from core.ledger.posting import Decided, SplitAmount
from core.models.claims import Claim
from core.models.job_items import JobItem
from core.models.jobs import SettleJob
from core.practices import periods

# A statement over a thousand claims finishes before JIT can compile it. The chunk adds its own rows to the sums of the
# ledger (`core.models.ledger_sums`).
_ALSO: Final = ", set_config('jit', 'off', true), set_config('settle.sums', 'chunk', true)"


class LedgerMismatch(Exception):
    """The postings or the balances do not match the items' frozen amounts, so the transaction must not commit."""


class MonthIsClosed(Exception):
    """The posting date's month was closed before the job finished. This must never happen, so the job halts."""


class ChunkOutcome(NamedTuple):
    """One transaction's counts, the number of claims that others had locked, and the skipped claims by code."""

    counts: ChunkCounts
    busy: int
    skipped: SkippedByCode


def settle(session: Session, chunk: Chunk, *, now: dt.datetime) -> ChunkOutcome | None:
    """Settle the chunk's claims. Return None if we lost the chunk or the job is no longer running."""
    timeouts.set_timeouts(session, also=_ALSO)
    if not chunks.lock(session, chunk):
        return None
    # Read the job after locking the chunk, in a separate statement. A pause completes only when no chunk is locked.
    job = session.get_one(SettleJob, chunk.job)
    if job.status is not JobStatus.RUNNING:
        chunks.release(session, chunk, not_before=None)
        return None
    _lock_month_open(session, job)
    locked, busy = _lock_claims(session, chunk)
    as_previewed = _skip_as_previewed(session, chunk)
    judged = recheck.recheck_claims(session, job, chunk, locked)
    skipped = as_previewed + judged.skipped
    money = _apply(session, job, chunk, judged, now=now) if judged.settled else {}
    gave_up = busy > 0 and chunk.busy_tries + 1 >= BUSY_TRIES_MAX
    failed = _fail_busy(session, chunk) if gave_up else 0
    counts = ChunkCounts(len(judged.settled), skipped.total(), failed, **money)
    if busy and not gave_up:
        chunks.reschedule_busy(session, chunk, counts, now=now)
    else:
        chunks.close(session, chunk, counts, now=now)
    return ChunkOutcome(counts, busy, skipped)


def _lock_month_open(session: Session, job: SettleJob) -> None:
    """Before any claim is locked, lock the month so that it stays open until the commit.

    Raise `MonthIsClosed` if it is already closed.
    """
    if not posting_month.moves_money(session, job):
        return
    if periods.lock_and_list_closed(session, job.practice_id, [calendar_months.month_of(job.posting_date)]):
        raise MonthIsClosed


_WANTED: Final = (
    select(JobItem.claim_id).where(ITEMS, JobItem.outcome.is_(None), JobItem.verdict == Verdict.SETTLE).cte("wanted")
)
# NO KEY, because a plain FOR UPDATE would skip a claim that an uncommitted insert references by foreign key.
_FREE: Final = (
    select(Claim.id)
    .join(_WANTED, Claim.id == _WANTED.c.claim_id)
    .where(Claim.practice_id == bindparam("of_practice"))
    .order_by(Claim.id)
    .with_for_update(key_share=True, skip_locked=True, of=Claim)
    .subquery("free")
)
_LOCK_FREE: Final = select(*ClaimIds.of(_FREE.c.id), select(func.count()).select_from(_WANTED).scalar_subquery())


def _lock_claims(session: Session, chunk: Chunk) -> tuple[ClaimIds, int]:
    """Lock the claims to settle that are free, in id order. Return their ids, and how many others had locked.

    Nothing but the locked chunk decides which claims these are.
    """
    array, size, wanted = session.execute(_LOCK_FREE, chunk.named()).one()
    return ClaimIds(array, size), wanted - size


def _counted(changed: ReturningUpdate[Any]) -> Select[Any]:
    """Return a statement that makes the change and counts the items by their code."""
    rows = changed.cte("changed")
    return select(rows.c.code, func.count()).group_by(rows.c.code)


_UNDONE: Final = update(JobItem).where(ITEMS, JobItem.outcome.is_(None))
_SKIP_AS_PREVIEWED: Final = _counted(
    _UNDONE.where(JobItem.verdict == Verdict.SKIP)
    .values(outcome=Outcome.SKIPPED, code=JobItem.verdict_code)
    .returning(JobItem.code)
)
_FAIL_BUSY: Final = _counted(_UNDONE.values(outcome=Outcome.FAILED, code=codes.CLAIM_LOCKED).returning(JobItem.code))


def _skip_as_previewed(session: Session, chunk: Chunk) -> SkippedByCode:
    return Counter(dict(session.execute(_SKIP_AS_PREVIEWED, chunk.named()).all()))


def _fail_busy(session: Session, chunk: Chunk) -> int:
    return Counter(dict(session.execute(_FAIL_BUSY, chunk.named()).all())).total()


_SETTLED_ITEMS: Final = (
    select(
        JobItem.claim_id, JobItem.claim_version, JobItem.settles_insurance, JobItem.settles_patient,
        JobItem.insurance_cents, JobItem.patient_cents,
    )
    .where(ITEMS, is_in(JobItem.claim_id, "settled"))
    .subquery("decided")
)  # fmt: skip


def _apply(
    session: Session, job: SettleJob, chunk: Chunk, judged: RecheckResult, *, now: dt.datetime
) -> dict[str, int]:
    """Post the entries and change the claims' statuses. Return the cents posted, and the balances before and after.

    Raise `LedgerMismatch` unless the postings match the items' frozen amounts and explain the change in the balances.
    """
    before, decided = judged.owed, Decided(_SETTLED_ITEMS, {**chunk.named(), "settled": judged.settled.array})
    if job.kind is JobKind.SETTLE:
        posted = posting.write_off(session, decided, job, now=now)
        posting.clear_lines(session, decided)
    elif job.kind is JobKind.REVERSE:
        posted = reversal.post_counter_entries(session, decided, job, now=now)
    else:
        posted = SplitAmount(0, 0)
    after = (reversal.restore_claims if job.kind is JobKind.REVERSE else posting.move_claims)(session, decided, job)
    sign = -1 if job.kind is JobKind.REVERSE else 1
    if posted != judged.promised or after != before.less(posted, sign):
        raise LedgerMismatch
    return {
        "insurance_cents": posted.insurance, "patient_cents": posted.patient,
        "insurance_before_cents": before.insurance, "patient_before_cents": before.patient,
        "insurance_after_cents": after.insurance, "patient_after_cents": after.patient,
    }  # fmt: skip

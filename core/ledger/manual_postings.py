"""Post a payment, an adjustment or a transfer manually, each as an immutable posting on one line.

A posting after a write-off reverses as much of it as needed: `core.ledger.late_payments`.
"""

import datetime as dt
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import locks
from core.ledger import adjustment_limits, entry_postings, look_alikes, recoveries, write_offs
from core.ledger.entries import Adjustment, Payment, Transfer
from core.ledger.recoveries import Recovery
from core.models.claims import Claim
from core.models.ledger import Posting, PostingKind, Responsibility
from core.models.practices import Practice
from core.practices import practice_days


class UnreversedWriteOff(NamedTuple):
    """The unreversed write-offs on a line, for one responsibility."""

    line: int
    responsibility: Responsibility
    cents: int


class PostingResult(NamedTuple):
    """The claim after an entry, and the side effects of the entry."""

    claim: Claim
    recovery: Recovery | None  # how much of a write-off it reversed, if it came late
    restored_cents: int  # of earlier write-offs, restored because a transfer raised the other balance
    credit_cents: int  # credit on the entry's line and responsibility now; 0 if none
    # for a payment on a line without write-offs: the write-offs on other lines
    written_off_elsewhere: tuple[UnreversedWriteOff, ...]
    looks_like: look_alikes.PossibleDuplicate | None  # the earlier payment that this one may duplicate


def post(
    session: Session,
    claim_id: str,
    entry: Payment | Adjustment | Transfer,
    *,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> PostingResult:
    """Post the entry on the claim (by its number) and return the claim. Repeating the key does not post it again.

    A Settled claim with a balance afterward goes back to Balance Due. Raise `NotFound`, `NotAllowed`, `BadEntry`,
    `EntryMismatch`, `AdjustmentOverLimit`, `PeriodClosed`, and `ClaimBusy` or `PeriodBusy` if a lock is not released in
    time.
    """
    by.require(Action.POST)
    claim = locks.lock_claim(session, by.practice_id, claim_id)
    practice = session.get_one(Practice, by.practice_id)
    source_id, rows = entry_postings.source_id(by, idempotency_key), _rows(claim, entry)

    def dated(at: dt.datetime) -> dt.date:
        return entry.posted_on or practice_days.today(practice, now=at)

    ids = entry_postings.find_repeated(
        session, practice.id, source_id, rows, note=entry.note or None, dated=dated
    ) or _post(session, practice, claim, entry, rows, source_id, by=by, now=now, posted_on=dated(now))
    return _posting_result(session, claim, entry, ids)


def _post(
    session: Session,
    practice: Practice,
    claim: Claim,
    entry: Payment | Adjustment | Transfer,
    rows: list[dict[str, Any]],
    source_id: str,
    *,
    by: Actor,
    now: dt.datetime,
    posted_on: dt.date,
) -> list[int]:
    """Post the entry and its side effects. Return the ids of its postings."""
    today = practice_days.today(practice, now=now)
    entry_postings.lock_posting_date(session, practice, posted_on, today=today)
    entry_postings.find_line(session, claim, entry.line)
    if isinstance(entry, Payment):
        entry_postings.check_payer(session, claim, entry.paid_by, field="paid_by", cure="choose who paid")
    if isinstance(entry, Adjustment):
        adjustment_limits.check(session, practice, claim, entry.amount_cents, by=by, now=now)
    note = entry.note or None
    ids, changes = entry_postings.insert_rows(
        session, practice, rows, source_id, note=note, posted_on=posted_on, entry=entry.kind, by=by, now=now,
        today=today,
    )  # fmt: skip
    facts = {"kind": entry.kind, "line": entry.line, **({"late": True} if any(changes) else {})}
    audit.record(session, "claim.posted", claim, by=by, now=now, **facts)
    session.refresh(claim)
    return ids


def _posting_result(
    session: Session, claim: Claim, entry: Payment | Adjustment | Transfer, ids: list[int]
) -> PostingResult:
    found = recoveries.list_for_claim(session, claim.practice_id, claim.id)
    recovery = next((one for one in found if one.posting_id == ids[0]), None)
    restored = entry_postings.effects(session, claim.practice_id, [claim.id], ids).restored_cents
    line = entry_postings.find_line(session, claim, entry.line)
    due = entry_postings.due_cents(line, entry.responsibility)
    if not isinstance(entry, Payment):
        return PostingResult(claim, recovery, restored, max(0, -due), (), None)
    elsewhere = [] if recovery else list_unreversed_write_offs(session, claim.practice_id, claim.id)
    here = (entry.line, entry.responsibility)
    others = () if any(one[:2] == here for one in elsewhere) else tuple(elsewhere)
    return PostingResult(
        claim, recovery, restored, max(0, -due), others, look_alikes.find_possible_duplicate(session, ids[0])
    )


def list_unreversed_write_offs(session: Session, practice_id: int, claim_id: int) -> list[UnreversedWriteOff]:
    """Return the unreversed write-offs on the claim (internal id), by line and responsibility."""
    sums = select(Posting.line, Posting.responsibility, -func.sum(Posting.amount_cents)).where(
        Posting.practice_id == practice_id, Posting.claim_id == claim_id, write_offs.is_unreversed()
    )
    by_line = sums.group_by(Posting.line, Posting.responsibility).order_by(Posting.line, Posting.responsibility)
    return [UnreversedWriteOff(line, side, int(cents)) for line, side, cents in session.execute(by_line)]


def _rows(claim: Claim, entry: Payment | Adjustment | Transfer) -> list[dict[str, Any]]:
    columns: dict[str, Any] = {
        "claim_id": claim.id, "line": entry.line, "kind": PostingKind(entry.kind),
        "responsibility": entry.responsibility, "amount_cents": -entry.amount_cents,
    }  # fmt: skip
    match entry:
        case Payment():
            return [{**columns, "paid_by": entry.paid_by}]
        case Adjustment():
            return [{**columns, "group_code": entry.group_code, "reason_code": entry.reason_code}]
        case Transfer():
            other = next(side for side in Responsibility if side is not entry.responsibility)
            return [columns, {**columns, "responsibility": other, "amount_cents": entry.amount_cents}]

"""Post a payment, an adjustment or a transfer manually, each as an immutable posting on one line.

A posting after a write-off reverses as much of it as needed: `core.ledger.late_payments`.
"""

import datetime as dt
from typing import Any, NamedTuple

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from core.access import audit, one_person
from core.access.permissions import Action, Actor
from core.claims import locks
from core.enums.ledger import PostingKind, Responsibility
from core.enums.posting_requests import RequestState
from core.ledger import (
    adjustment_limits,
    by_hand_limits,
    entry_postings,
    look_alikes,
    posting_requests,
    recoveries,
    write_offs,
)
from core.ledger.by_hand_limits import OverLimit
from core.ledger.entries import Adjustment, Payment, Transfer
from core.ledger.entry_postings import Inserted
from core.ledger.recoveries import Recovery
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.posting_requests import PostingRequest
from core.models.practices import Practice
from core.money import UNLIMITED
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
    request: PostingRequest | None = None  # if it needs approval, or needed it when it was first sent


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

    An entry over the per-claim limit is stored until another user approves it: the result has its `request`.

    A Settled claim with a balance afterward goes back to Balance Due. Raise `NotFound`, `NotAllowed`, `BadEntry`,
    `EntryMismatch`, `PeriodClosed`, and `ClaimBusy` or `PeriodBusy` if a lock is not released in time.
    """
    by.require(Action.POST)
    claim = locks.lock_claim(session, by.practice_id, claim_id)
    practice = session.get_one(Practice, by.practice_id)
    source_id = entry_postings.source_id(by, idempotency_key)

    def dated(at: dt.datetime) -> dt.date:
        return entry.posted_on or practice_days.today(practice, now=at)

    asked = posting_requests.find_repeated(session, claim, entry, source_id, dated=dated)
    if asked is not None and asked.state is not RequestState.POSTED:
        return PostingResult(claim, None, 0, 0, (), None, asked)
    if asked is not None:
        ids = [leg.id for leg in entry_postings.find_legs(session, practice.id, source_id)]
    else:
        rows, note = _rows(claim, entry), entry.note or None
        ids = entry_postings.find_repeated(session, practice.id, source_id, rows, note=note, dated=dated)
    if ids:
        return _posting_result(session, claim, entry, ids)
    limit = adjustment_limits.limit_for_user(session, by, now=now).cents
    over = by_hand_limits.find_exceeded(session, practice, claim, entry.amount_cents, limit_cents=limit, by=by, now=now)
    is_alone = over and one_person.choice_for(session, practice.id, by.user_id, lock=True, now=now) is not None
    new = _NewEntry(claim, entry, source_id, dated(now), by)
    if over and not is_alone:
        return _ask(session, new, over, now=now)
    facts = {"limit_cents": limit} if limit < UNLIMITED else {}
    return _post(session, new, now=now, **facts, **({"without_approval": True} if is_alone else {}))


def is_known(session: Session, *, by: Actor, idempotency_key: str) -> bool:
    """Return whether an entry of this user with this key was posted, or stored until it is approved."""
    source_id = entry_postings.source_id(by, idempotency_key)
    asked = (PostingRequest.practice_id == by.practice_id, PostingRequest.source_id == source_id)
    is_posted = bool(entry_postings.find_legs(session, by.practice_id, source_id))
    return is_posted or session.scalar(select(exists().where(*asked))) is True


def post_approved(
    session: Session, claim: Claim, request: PostingRequest, requester: Actor, *, now: dt.datetime
) -> PostingResult:
    """Post the requested entry on the locked claim, as its requester. Raise what `post` raises for a new entry."""
    entry = posting_requests.entry_of(request)
    new = _NewEntry(claim, entry, request.source_id, request.posted_on, requester)
    return _result_of(session, new, _insert(session, new, now=now).ids)


class _NewEntry(NamedTuple):
    """An entry on a locked claim."""

    claim: Claim
    entry: Payment | Adjustment | Transfer
    source_id: str
    posted_on: dt.date
    by: Actor


def _post(session: Session, new: _NewEntry, *, now: dt.datetime, **facts: Any) -> PostingResult:
    """Post the entry and record the act with these facts."""
    ids, changes = _insert(session, new, now=now)
    of_entry = {"kind": new.entry.kind, "line": new.entry.line, **({"late": True} if any(changes) else {})}
    audit.record(session, "claim.posted", new.claim, by=new.by, now=now, posting_id=ids[0], **of_entry, **facts)
    return _result_of(session, new, ids)


def _ask(session: Session, new: _NewEntry, over: OverLimit, *, now: dt.datetime) -> PostingResult:
    """Store the entry until another user approves it."""
    # Try it, so that an entry that could not be posted is refused now, and to know the credit that it would leave.
    with session.begin_nested() as trial:
        tried = _result_of(session, new, _insert(session, new, now=now).ids)
        trial.rollback()
    session.refresh(new.claim)
    request = posting_requests.add(
        session, new.claim, new.entry, over, source_id=new.source_id, posted_on=new.posted_on,
        credit_cents=tried.credit_cents, by=new.by, now=now,
    )  # fmt: skip
    return PostingResult(new.claim, None, 0, tried.credit_cents, (), tried.looks_like, request)


def _insert(session: Session, new: _NewEntry, *, now: dt.datetime) -> Inserted:
    """Insert the entry's postings and their effects."""
    claim, entry, source_id, posted_on, by = new
    practice = session.get_one(Practice, claim.practice_id)
    today = practice_days.today(practice, now=now)
    entry_postings.lock_posting_date(session, practice, posted_on, today=today)
    entry_postings.find_line(session, claim, entry.line)
    if isinstance(entry, Payment):
        entry_postings.check_payer(session, claim, entry.paid_by, field="paid_by", cure="choose who paid")
    return entry_postings.insert_rows(
        session, practice, _rows(claim, entry), source_id, note=entry.note or None, posted_on=posted_on,
        entry=entry.kind, by=by, now=now, today=today,
    )  # fmt: skip


def _result_of(session: Session, new: _NewEntry, ids: list[int]) -> PostingResult:
    session.refresh(new.claim)
    return _posting_result(session, new.claim, new.entry, ids)


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

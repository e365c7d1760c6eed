"""Void a manual posting: reverse each posting of its entry, so that both sides of a transfer are voided together.

Because a void changes the balance, `core.ledger.late_payments` then undoes the entry's effects on write-offs.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import locks, lookup
from core.enums.ledger import PostingKind
from core.errors import NotFound, Refusal
from core.ledger import adjustment_limits, entry_postings, write_offs
from core.ledger.entries import Void
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.practices import Practice
from core.practices import practice_days


class NotVoidable(Refusal):
    """Only a posting that was entered manually can be voided."""


class AlreadyVoided(Refusal):
    """This posting was already voided."""


class VoidResult(NamedTuple):
    """The claim after the void, the new postings, and their effect on earlier write-offs."""

    claim: Claim
    posting_ids: list[int]
    reversed_cents: int
    restored_cents: int


def void(
    session: Session,
    claim_id: str,
    posting_id: int,
    asked: Void,
    *,
    by: Actor,
    idempotency_key: str,
    now: dt.datetime,
) -> VoidResult:
    """Reverse the entry of this posting on the claim (by its number). Repeating the key changes nothing.

    Raise `NotFound`, `NotAllowed`, `NotVoidable`, `AlreadyVoided`, `BadEntry`, `EntryMismatch`, `AdjustmentOverLimit`,
    `PeriodClosed`, `ClaimBusy` and `PeriodBusy`.
    """
    by.require(Action.POST)
    practice = session.get_one(Practice, by.practice_id)
    legs = list_entry(session, practice.id, lookup.find(session, practice.id, claim_id), posting_id)
    # Postings never change, so the entry could be read before the lock.
    claims = locks.lock_claims(session, practice.id, [claim.external_id for claim in claims_of(session, legs)])
    source_id, rows = entry_postings.source_id(by, idempotency_key), [_reversal(leg) for leg in legs]
    earliest = max(leg.posted_on for leg in legs)

    def dated(at: dt.datetime) -> dt.date:
        return asked.posted_on or max(earliest, practice_days.today(practice, now=at))

    ids = entry_postings.find_repeated(session, practice.id, source_id, rows, note=asked.note, dated=dated)
    if not ids:
        _check(session, practice, claims, legs, by=by, now=now)
        today = practice_days.today(practice, now=now)
        day = entry_postings.lock_date_after(session, practice, asked.posted_on, earliest=earliest, today=today)
        ids = entry_postings.insert_rows(
            session, practice, rows, source_id, note=asked.note, posted_on=day, entry="void", by=by, now=now,
            today=today,
        ).ids  # fmt: skip
        for claim in claims.values():
            facts = {"kind": legs[0].kind.value, "posting_id": posting_id}
            audit.record(session, "claim.voided", claim, by=by, now=now, **facts)
            session.refresh(claim)
    done = entry_postings.effects(session, practice.id, {leg.claim_id for leg in legs}, ids)
    return VoidResult(claims[claim_id], ids, *done)


def list_entry(session: Session, practice_id: int, claim: Claim, posting_id: int) -> list[Posting]:
    """Return the postings of the entry that contains this posting. Raise `NotFound` and `NotVoidable`."""
    of_claim = (Posting.practice_id == practice_id, Posting.claim_id == claim.id)
    posting = session.scalars(select(Posting).where(*of_claim, Posting.id == posting_id)).one_or_none()
    if posting is None:
        raise NotFound(f"Claim {claim.external_id} has no posting {posting_id}.")
    if posting.kind is PostingKind.REVERSAL:
        raise NotVoidable(f"Posting {posting_id} is a reversal, and a reversal cannot be voided.")
    job_id = posting.job_id or posting.origin_job_id
    if job_id is not None:
        raise NotVoidable(
            f"Posting {posting_id} is a write-off from job {job_id}. Reverse the whole job, or only its change to "
            "this claim."
        )
    if posting.source != entry_postings.SOURCE or posting.source_id is None:
        raise NotVoidable(
            f"Posting {posting_id} came from an import. Correct it in the source system, then import the correction."
        )
    return entry_postings.find_legs(session, practice_id, posting.source_id.partition(":")[0])


def voidable_ids(session: Session, practice_id: int, claim_id: int) -> set[int]:
    """Return the postings on the claim (internal id) that can be voided."""
    made = (Posting.practice_id == practice_id, Posting.claim_id == claim_id, Posting.source == entry_postings.SOURCE)
    return set(
        session.scalars(
            select(Posting.id).where(*made, Posting.kind != PostingKind.REVERSAL, ~write_offs.is_reversed())
        )
    )


def claims_of(session: Session, legs: Sequence[Posting]) -> list[Claim]:
    """Return the claims of an entry's postings."""
    of_legs = (Claim.practice_id == legs[0].practice_id, Claim.id.in_({leg.claim_id for leg in legs}))
    return list(session.scalars(select(Claim).where(*of_legs).order_by(Claim.id)))


def _reversal(leg: Posting) -> dict[str, Any]:
    return {
        "claim_id": leg.claim_id, "line": leg.line, "kind": PostingKind.REVERSAL, "responsibility": leg.responsibility,
        "amount_cents": -leg.amount_cents, "paid_by": leg.paid_by, "reverses_id": leg.id,
    }  # fmt: skip


def _check(
    session: Session,
    practice: Practice,
    claims: dict[str, Claim],
    legs: list[Posting],
    *,
    by: Actor,
    now: dt.datetime,
) -> None:
    these = select(Posting.id).where(Posting.practice_id == practice.id, Posting.id.in_([leg.id for leg in legs]))
    of_claims = Posting.claim_id.in_([claim.id for claim in claims.values()])
    if session.scalars(these.where(of_claims, write_offs.is_reversed())).first() is not None:
        raise AlreadyVoided
    if legs[0].kind is PostingKind.ADJUSTMENT:
        adjustment_limits.check_void(session, -legs[0].amount_cents, by=by, now=now)

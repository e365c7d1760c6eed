"""Apply the per-claim limit to what a user enters by hand: payments, adjustments and transfers.

Each of them clears a balance as a write-off does. So what a user entered on a claim over 30 days adds up, except what
another user approved. Voided entries still count.
"""

import datetime as dt
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.ledger import PostingKind
from core.ledger import adjustment_limits
from core.ledger.entry_postings import SOURCE, was_approved
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.practices import Practice

_KINDS: Final = (PostingKind.PAYMENT, PostingKind.ADJUSTMENT, PostingKind.TRANSFER)
_FIRST_LEG: Final = ":0"  # of an entry; that of a refund or of a transferred credit raises a balance


class OverLimit(NamedTuple):
    """What a user would have entered on a claim over 30 days, and the limit that it exceeds, in cents."""

    total_cents: int
    limit_cents: int


def find_exceeded(
    session: Session, practice: Practice, claim: Claim, cents: int, *, limit_cents: int, by: Actor, now: dt.datetime
) -> OverLimit | None:
    """Return the limit that the user exceeds by taking `cents` more off the locked claim, or None."""
    total = cents + _sum(session, *_by_hand(practice.id, claim.id, by.user_id, now=now))
    # Adjustments from files and held answers count with those by hand.
    others = adjustment_limits.adjusted_by_user(by, now=now)
    total += _sum(session, *others, Posting.claim_id == claim.id, Posting.source.is_distinct_from(SOURCE))
    return OverLimit(total, limit_cents) if total > limit_cents else None


def _sum(session: Session, *conditions: Any) -> int:
    return int(session.scalars(select(func.coalesce(func.sum(-Posting.amount_cents), 0)).where(*conditions)).one())


def _by_hand(practice_id: int, claim_id: int, user_id: int, *, now: dt.datetime) -> tuple[Any, ...]:
    return (
        Posting.practice_id == practice_id,
        Posting.claim_id == claim_id,
        Posting.user_id == user_id,
        Posting.source == SOURCE,
        Posting.source_id.endswith(_FIRST_LEG),
        Posting.kind.in_(_KINDS),
        Posting.amount_cents < 0,
        Posting.created_at > now - adjustment_limits.ADDED_UP_OVER,
        ~was_approved(),
    )

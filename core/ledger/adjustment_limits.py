"""Apply the limit for one claim to adjustments from files and held answers, because they clear a balance too.

`core.ledger.by_hand_limits` applies it to what a user enters by hand.
"""

import datetime as dt
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.access import recent_changes
from core.access.permissions import Actor
from core.access.recent_changes import WINDOW
from core.enums.ledger import PostingKind
from core.errors import Refusal
from core.ledger import write_offs
from core.ledger.entry_postings import SOURCE, was_approved
from core.models.claims import Claim
from core.models.ledger import Posting
from core.models.people import AuditEntry, User
from core.money import format_cents
from core.practices import practice_queries

ADDED_UP_OVER: Final = dt.timedelta(days=30)


class AdjustmentOverLimit(Refusal):
    """This adjustment exceeds the per-claim limit."""

    code = "over_claim_limit"
    http_status = HTTPStatus.FORBIDDEN


class AdjustmentLimit(NamedTuple):
    """The most that a user may take off one claim, and whose limit it is."""

    cents: int
    is_own: bool  # the user's own limit; otherwise the practice's


def limit_for_user(session: Session, by: Actor, *, now: dt.datetime) -> AdjustmentLimit:
    """Return the stricter of the practice's limit and the user's own, as of the last 24 hours."""
    practice = practice_queries.find(session, by.practice_id)
    of_practice = recent_changes.limits_in_effect(session, practice, now=now).claim_cents
    own = recent_changes.limits_in_effect(session, session.get_one(User, by.user_id), now=now).claim_cents
    return AdjustmentLimit(min(own, of_practice), own <= of_practice)


def lowered_by_user(practice_id: int, user_id: int | None, *kinds: PostingKind, now: dt.datetime) -> tuple[Any, ...]:
    """Return the conditions that a posting of these kinds lowered a balance by this user's act in the last 30 days.

    Those that were voided or approved do not count. The user None is a command on the server.
    """
    return (
        Posting.practice_id == practice_id,
        Posting.kind.in_(kinds),
        Posting.amount_cents < 0,
        Posting.user_id.is_not_distinct_from(user_id),
        Posting.created_at > now - ADDED_UP_OVER,
        ~write_offs.is_reversed(),
        ~was_approved(),
    )


def adjusted_by_user(by: Actor, *, now: dt.datetime) -> tuple[Any, ...]:
    """Return the conditions that a posting is a balance-lowering adjustment by this user in the last 30 days."""
    return lowered_by_user(by.practice_id, by.user_id, PostingKind.ADJUSTMENT, now=now)


def adjusted_by_hand(session: Session, practice_id: int, user_id: int, *, now: dt.datetime) -> int:
    """Return the cents that the user's adjustments by hand took off balances since 24 hours before `now`.

    Those that were voided or approved do not count. The audit names the claims, because no index leads from a user to
    postings.
    """
    since = now - WINDOW
    posted = select(func.substr(AuditEntry.subject, len("claim:") + 1)).where(
        AuditEntry.practice_id == practice_id, AuditEntry.user_id == user_id, AuditEntry.act == "claim.posted",
        AuditEntry.at > since,
    )  # fmt: skip
    claims = select(Claim.id).where(Claim.practice_id == practice_id, Claim.external_id.in_(posted))
    by_hand = (
        Posting.practice_id == practice_id,
        Posting.claim_id.in_(claims),
        Posting.source == SOURCE,
        Posting.user_id == user_id,
        Posting.kind == PostingKind.ADJUSTMENT,
        Posting.amount_cents < 0,
        Posting.created_at > since,
        ~write_offs.is_reversed(),
        ~was_approved(),
    )
    return int(session.scalars(select(func.coalesce(func.sum(-Posting.amount_cents), 0)).where(*by_hand)).one())


def check(session: Session, claim: Claim, cents: int, *, by: Actor, now: dt.datetime) -> None:
    """Check that `by` may lower the locked claim's balance by `cents` more. Raise `AdjustmentOverLimit`."""
    limit = limit_for_user(session, by, now=now)
    before = adjusted_by_user(by, now=now)
    sums = select(func.coalesce(func.sum(-Posting.amount_cents), 0)).where(*before, Posting.claim_id == claim.id)
    total = cents + int(session.scalars(sums).one())
    if total > limit.cents:
        raise AdjustmentOverLimit(f"{describe(total, limit)[0].upper()}{describe(total, limit)[1:]}.")


def check_void(session: Session, cents: int, *, by: Actor, now: dt.datetime) -> None:
    """Check that `by` may void an adjustment of `cents`: it is within their limit. Raise `AdjustmentOverLimit`."""
    limit = limit_for_user(session, by, now=now)
    if cents > limit.cents:
        raise AdjustmentOverLimit(
            f"This adjustment of {format_cents(cents)} exceeds {_whose(limit)} of {format_cents(limit.cents)}. Ask a "
            "user with a higher limit to void it."
        )


def describe(cents: int | None, limit: AdjustmentLimit) -> str:
    """Return which limit is exceeded and what to do about it. Without `cents`, the sentence fits every claim."""
    of = "" if cents is None else f" of {format_cents(cents)}"
    return (
        f"adjustments{of} within 30 days exceed {_whose(limit)} of {format_cents(limit.cents)}; ask an administrator "
        f"to raise the limit{', or a user with a higher limit to post this' if limit.is_own else ''}"
    )


def _whose(limit: AdjustmentLimit) -> str:
    return "your per-claim limit" if limit.is_own else "the practice's per-claim limit"

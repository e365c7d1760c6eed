"""Hold adjustments by hand under the limit for one claim, as write-offs are: both make a balance go away."""

import datetime as dt
from http import HTTPStatus
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.errors import Refusal
from core.models.claims import Claim
from core.models.ledger import Posting, PostingKind
from core.models.people import User
from core.models.practices import Practice
from core.money import format_cents
from core.practices import practice_days, queries


class AdjustmentOverLimit(Refusal):
    """This adjustment is over the limit for one claim."""

    code = "over_claim_limit"
    http_status = HTTPStatus.FORBIDDEN


class Limit(NamedTuple):
    """What one person may take off one claim, and whose limit that is."""

    cents: int
    is_own: bool  # the person's own; else the practice's


def of_person(session: Session, by: Actor) -> Limit:
    """The smaller one of the practice's limit and the person's own."""
    practice = queries.find(session, by.practice_id)
    own = session.get_one(User, by.user_id).claim_limit_cents
    return Limit(min(own, practice.claim_limit_cents), own <= practice.claim_limit_cents)


def by_person_today(practice: Practice, by: Actor, *, now: dt.datetime) -> tuple[Any, ...]:
    """The conditions on a posting that this person adjusted a balance down today. Several count together."""
    begins, ends = practice_days.day_of(practice, practice_days.today(practice, now=now))
    return (
        Posting.practice_id == practice.id,
        Posting.kind == PostingKind.ADJUSTMENT,
        Posting.amount_cents < 0,
        Posting.user_id == by.user_id,
        Posting.created_at >= begins,
        Posting.created_at < ends,
    )


def check(session: Session, practice: Practice, claim: Claim, cents: int, *, by: Actor, now: dt.datetime) -> None:
    """Refuse to lower the locked claim by `cents` more where that is over a limit. Raises `AdjustmentOverLimit`."""
    limit = of_person(session, by)
    day = by_person_today(practice, by, now=now)
    sums = select(func.coalesce(func.sum(-Posting.amount_cents), 0)).where(*day, Posting.claim_id == claim.id)
    total = cents + int(session.scalars(sums).one())
    if total > limit.cents:
        raise AdjustmentOverLimit(f"{words(total, limit)[0].upper()}{words(total, limit)[1:]}.")


def words(cents: int, limit: Limit) -> str:
    """What is over which limit, and the cure."""
    whose = "your limit" if limit.is_own else "the practice's limit"
    return (
        f"adjustments of {format_cents(cents)} today are over {whose} of {format_cents(limit.cents)} for one claim; "
        f"ask an administrator to raise it{', or a user with a higher limit to post it' if limit.is_own else ''}"
    )

"""What the feed shows and filters of payers' answers in remittances (835)."""

import datetime as dt

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, literal, or_, select, union

from core.enums.claims import ClaimStatus
from core.models.claims import Claim
from core.models.remittances import RemittanceClaim
from core.models.sent_claims import SentClaim
from core.policy.held_answers import has_held_answer

_WAITING = (ClaimStatus.AT_CLEARINGHOUSE, ClaimStatus.AT_PAYER, ClaimStatus.ACKNOWLEDGED)


def waits_since() -> ColumnElement[dt.date | None]:
    """Return the last EDI date of a claim with a payer that has neither answered nor rejected it, or NULL.

    A claim with a held answer does not wait for the payer, but for a user.
    """
    with_second = and_(Claim.secondary_payer_id.is_not(None), Claim.secondary_status.in_(_WAITING))
    waits = and_(or_(Claim.primary_status.in_(_WAITING), with_second), ~has_held_answer())
    return case((waits, Claim.last_edi_on))


def days_without(today: dt.date) -> ColumnElement[int | None]:
    """Return for how many days the claim has waited for an answer, or NULL."""
    return cast(literal(today) - waits_since(), BigInteger)


def has_payer_number(practice_id: int, number: str) -> ColumnElement[bool]:
    """Return, as SQL, whether a payer gave the claim this number in any answer (CLP07) or acknowledgment (REF*1K)."""
    answered = select(RemittanceClaim.claim_id).where(
        RemittanceClaim.practice_id == practice_id, RemittanceClaim.payer_claim_id == number,
        RemittanceClaim.claim_id.is_not(None),
    )  # fmt: skip
    accepted = select(SentClaim.claim_id).where(
        SentClaim.practice_id == practice_id, SentClaim.payer_claim_number == number
    )
    return Claim.id.in_(union(answered, accepted))

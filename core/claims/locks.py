"""Lock claims before they are changed."""

from collections.abc import Collection
from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.locks import waiting
from core.errors import NotFound, Refusal
from core.models.claims import Claim


class ClaimBusy(Refusal):
    """Another user or process is working on this claim. Try again."""

    http_status = HTTPStatus.CONFLICT


def lock_claim(session: Session, practice_id: int, external_id: str) -> Claim:
    """Lock the claim and return its current row. Wait at most five seconds for another user or process.

    Raise `NotFound` and `ClaimBusy`. Call this before changing anything on the claim.
    """
    return lock_claims(session, practice_id, [external_id])[external_id]


def lock_claims(session: Session, practice_id: int, external_ids: Collection[str]) -> dict[str, Claim]:
    """Lock these claims, in the order in which jobs lock them. Return their current rows by number.

    Wait at most five seconds for another user or process. Raise `NotFound` and `ClaimBusy`.
    """
    found = select(Claim).where(Claim.practice_id == practice_id, Claim.external_id.in_(external_ids))
    with waiting(session, ClaimBusy):
        locked = session.scalars(
            found.order_by(Claim.id).with_for_update(key_share=True).execution_options(populate_existing=True)
        )
        claims = {claim.external_id: claim for claim in locked}
    for external_id in external_ids:
        if external_id not in claims:
            raise NotFound(f"There is no claim {external_id[:60]} in this practice.")
    return claims

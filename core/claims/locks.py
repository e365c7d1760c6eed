"""Lock one claim before it is changed."""

from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.locks import waiting
from core.errors import NotFound, Refusal
from core.models.claims import Claim


class ClaimBusy(Refusal):
    """Another user or process is working on this claim. Try again."""

    code = "claim_busy"
    http_status = HTTPStatus.CONFLICT


def lock_claim(session: Session, practice_id: int, external_id: str) -> Claim:
    """Lock the claim and return it as it is now. Wait at most five seconds for another user or process.

    Raise `NotFound` and `ClaimBusy`. Write nothing of the claim before this.
    """
    found = select(Claim).where(Claim.practice_id == practice_id, Claim.external_id == external_id)
    with waiting(session, ClaimBusy):
        claim = session.scalars(
            found.with_for_update(key_share=True).execution_options(populate_existing=True)
        ).one_or_none()
    if claim is None:
        raise NotFound(f"There is no claim {external_id[:60]} in this practice.")
    return claim

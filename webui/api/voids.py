"""Voids of manual postings."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action
from core.errors import NotFound
from core.ledger import voids
from core.ledger.entries import Void
from webui.api.blueprint import CLAIMS, api
from webui.api.claims import claim_fields
from webui.api.models import ClaimWithLines, Id
from webui.api.request_parsing import OnceHeaders
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class PostingPath(BaseModel):
    """The practice's own claim ID, and the ID of one of the claim's postings."""

    claim_id: str
    posting_id: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the path. Raise `NotFound` if the posting's ID is not a valid number."""
        if not reading.number(given["posting_id"]):
            raise NotFound
        return cls.model_validate(given)


class VoidedClaim(ClaimWithLines):
    """The claim after a void, and the void's other effects."""

    posting_ids: Annotated[list[Id], Field(description="The reversals that the void posted, one for each side")]
    restored_cents: Annotated[
        int, Field(description="Write-offs that the voided posting had reversed and that are restored")
    ]
    reversed_cents: Annotated[int, Field(description="Write-offs reversed because the void lowered a balance")]


@api.post(
    "/claims/<anything:claim_id>/postings/<posting_id>/void", needs=Action.POST, tag=CLAIMS, status=201, problems=[409]
)
def void_posting(path: PostingPath, header: OnceHeaders, body: Void, session: Session) -> VoidedClaim:
    """Void a posting that a user or program entered, once. The posting and its reversal both stay in the ledger.

    Both sides of a transfer are voided together. A write-off that the posting had reversed is restored. The answer is
    `not_voidable` for a posting from an import or a job, with what to do instead, and `already_voided` for a second
    void.
    """
    voided = voids.void(
        session, path.claim_id, int(path.posting_id), body, by=current_actor(),
        idempotency_key=header.idempotency_key, now=now(),
    )  # fmt: skip
    facts = claim_fields(session, path.claim_id)
    besides = {
        "posting_ids": voided.posting_ids,
        "restored_cents": voided.restored_cents,
        "reversed_cents": voided.reversed_cents,
    }
    return VoidedClaim.model_validate({**facts, **besides})

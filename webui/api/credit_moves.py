"""Refunds and transfers of credits."""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from core.access.permissions import Action
from core.db.engine import transaction
from core.ledger import credit_moves
from core.ledger.credit_moves import CreditMoved
from core.ledger.entries import CreditTransfer, Refund
from webui.api.blueprint import CLAIMS, api
from webui.api.claims import claim_fields
from webui.api.models import ClaimWithLines, Id
from webui.api.request_parsing import ClaimPath, OnceHeaders
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


class ClaimWithCredit(ClaimWithLines):
    """The claim after its credit was refunded or transferred."""

    posting_ids: Annotated[list[Id], Field(description="IDs of the new postings")]
    credit_cents: Annotated[int, Field(description="Credit left on this line and responsibility")]


@api.post("/claims/<anything:claim_id>/refunds", needs=Action.POST, tag=CLAIMS, status=201, problems=[409])
def refund_credit(path: ClaimPath, header: OnceHeaders, body: Refund) -> ClaimWithCredit:
    """Refund a credit on one line to a payer or the patient, once, and never more than the credit."""
    return _moved(credit_moves.refund, path, header, body)


@api.post("/claims/<anything:claim_id>/credit-transfers", needs=Action.POST, tag=CLAIMS, status=201, problems=[409])
def transfer_credit(path: ClaimPath, header: OnceHeaders, body: CreditTransfer) -> ClaimWithCredit:
    """Transfer a credit on one line to another balance of the same patient, once.

    The balance may be on this claim or on a different one. The amount can exceed neither the credit nor that balance.
    """
    return _moved(credit_moves.transfer, path, header, body)


def _moved(
    act: Callable[..., CreditMoved], path: ClaimPath, header: OnceHeaders, body: Refund | CreditTransfer
) -> ClaimWithCredit:
    with transaction(app_context().sessions) as session:
        key = header.idempotency_key
        moved = act(session, path.claim_id, body, by=current_actor(), idempotency_key=key, now=now())
        facts: dict[str, Any] = claim_fields(session, path.claim_id)
    besides = {"posting_ids": moved.posting_ids, "credit_cents": moved.credit_cents}
    return ClaimWithCredit.model_validate({**facts, **besides})

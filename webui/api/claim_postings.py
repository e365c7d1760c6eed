"""One claim's ledger, and postings that a user or program enters."""

import datetime as dt
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Self

from pydantic import Field, RootModel
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.claims import lookup
from core.enums.ledger import Responsibility
from core.ledger import entries, ledger_queries, manual_postings, posting_requests
from core.ledger.entries import Entry
from webui.api.blueprint import CLAIMS, Reply, api
from webui.api.claims import claim_fields
from webui.api.models import Answer, ClaimWithLines, Id, PostingEntry
from webui.api.posting_requests import PostingRequestAnswer
from webui.api.recoveries import Recovery
from webui.api.request_parsing import ClaimPath, OnceHeaders
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class WrittenOffLine(Answer):
    """The amount written off on a line for one responsibility."""

    line: int
    responsibility: Responsibility
    cents: int


class LikePosting(Answer):
    """An earlier payment with the same line, payer, amount and date as the one just posted."""

    posting_id: Id
    posted_on: dt.date


class PostedClaim(ClaimWithLines):
    """The claim after a posting, and the posting's other effects."""

    took_back: Annotated[Recovery | None, Field(description="The write-off that this posting reversed")]
    restored_cents: Annotated[
        int, Field(description="Earlier write-offs restored because a transfer raised the other party's balance")
    ]
    credit_cents: Annotated[int, Field(description="Credit balance now on this line and responsibility")]
    written_off_elsewhere: Annotated[
        list[WrittenOffLine],
        Field(description="For a payment on a line without a write-off: write-offs elsewhere on the claim"),
    ]
    looks_like: Annotated[
        LikePosting | None,
        Field(description="For a payment: an earlier payment that it may duplicate; both are posted"),
    ]
    request: Annotated[
        PostingRequestAnswer | None,
        Field(description="Over your per-claim limit: nothing is posted until another user approves it"),
    ]


class NewPosting(RootModel[Entry]):
    """A posting on one line, by kind."""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read the entry. Raise `BadEntry` naming each bad field."""
        return cls(entries.parse_entry(given))


class Postings(Answer):
    """The whole ledger of one claim, starting with the first charge."""

    claim_id: str
    postings: list[PostingEntry]
    waiting: Annotated[list[PostingRequestAnswer], Field(description="Postings that wait for approval")]


@api.get("/claims/<anything:claim_id>/postings", needs=Action.SEE_CLAIMS, tag=CLAIMS)
def list_postings(path: ClaimPath, session: Session) -> Postings:
    """List the ledger of one claim, starting with the first charge, and its postings that wait for approval."""
    practice_id = current_actor().practice_id
    claim = lookup.find(session, practice_id, path.claim_id)
    rows = ledger_queries.list_ledger_rows(session, practice_id, claim.id)
    waiting = posting_requests.list_waiting_on_claim(session, practice_id, claim.id, now=now())
    return Postings(
        claim_id=claim.external_id,
        postings=rows,
        waiting=[PostingRequestAnswer.of(row) for row in waiting],
    )


@api.post(
    "/claims/<anything:claim_id>/postings",
    needs=Action.POST,
    tag=CLAIMS,
    status=201,
    responses={202: PostedClaim},
    problems=[409],
)
def post_entry(path: ClaimPath, header: OnceHeaders, body: NewPosting, session: Session) -> Reply[PostedClaim]:
    """Post a payment, an adjustment or a transfer on one line, once. The answer is the claim after the posting.

    A Settled claim with a balance after the posting returns to Balance Due. If the line has a write-off, just enough
    of it is reversed: `took_back` shows the reversal, and `credit_cents` any excess. A transfer to a party whose
    write-off was reversed earlier restores that write-off, up to the amount of the transfer: see `restored_cents`.
    `paid_by` must be a payer on the claim.

    What you enter on a claim within 30 days without approval counts toward the per-claim limits. Above them nothing is
    posted: the answer is 202, and `request` waits for another user's approval.
    """
    key = header.idempotency_key
    posted = manual_postings.post(session, path.claim_id, body.root, by=current_actor(), idempotency_key=key, now=now())
    facts = claim_fields(session, path.claim_id)
    request = posted.request and PostingRequestAnswer.find(session, posted.request)
    besides = {
        "took_back": posted.recovery,
        "restored_cents": posted.restored_cents,
        "credit_cents": posted.credit_cents,
        "written_off_elsewhere": list(posted.written_off_elsewhere),
        "looks_like": posted.looks_like,
        "request": request,
    }
    answer = PostedClaim.model_validate({**facts, **besides})
    return Reply(answer, status=HTTPStatus.ACCEPTED if request else HTTPStatus.CREATED)

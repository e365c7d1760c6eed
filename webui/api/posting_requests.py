"""Postings by hand over the per-claim limit: approve, reject, withdraw."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.db.engine import transaction
from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility
from core.enums.posting_requests import RequestState
from core.ledger import posting_decisions, posting_requests
from core.ledger.posting_decisions import NoSuchRequest
from core.ledger.posting_requests import RequestRow
from core.models.posting_requests import PostingRequest
from webui.api.blueprint import CLAIMS, api
from webui.api.job_models import Rejection
from webui.api.models import Answer, Id
from webui.api.request_parsing import IdPath
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


class PostingRequestPath(IdPath):
    """The ID of a posting that needs approval."""

    missing = NoSuchRequest
    request_id: str


class PostingRequestAnswer(Answer):
    """A posting by hand over the per-claim limit."""

    id: Id
    claim_id: str
    state: Annotated[
        RequestState | Literal["expired"],
        Field(description="Only `posted` has changed the balance. A posting expires after waiting for 7 days"),
    ]
    kind: PostingKind
    line: int
    responsibility: Annotated[Responsibility, Field(description="Whose balance it lowers")]
    amount_cents: int
    paid_by: PaidBy | None
    group_code: GroupCode | None
    reason_code: str | None
    note: str | None
    posted_on: Annotated[dt.date, Field(description="Posting date")]
    words: Annotated[str, Field(description="Why it needs approval, as a sentence")]
    total_cents: Annotated[int, Field(description="With what the user entered within 30 days without approval")]
    limit_cents: int
    requested_by: str
    requested_at: dt.datetime
    decided_by: str | None
    decided_at: dt.datetime | None
    decision_note: Annotated[str | None, Field(description="The reason for rejecting it")]

    @classmethod
    def of(cls, row: RequestRow) -> Self:
        """Return the row as an answer."""
        named = {"claim_id": row.claim_id, "requested_by": row.requested_by, "decided_by": row.decided_by}
        columns = {name: getattr(row.request, name) for name in cls.model_fields if hasattr(row.request, name)}
        return cls.model_validate({**columns, **named, "state": row.state, "words": row.why})

    @classmethod
    def find(cls, session: Session, request: PostingRequest) -> Self:
        """Return the request as an answer."""
        row = posting_requests.find_row(session, request.practice_id, request.id, now=now())
        assert row is not None
        return cls.of(row)


@api.post("/posting-requests/<request_id>/approve", needs=Action.APPROVE_JOB, tag=CLAIMS, problems=[409])
def approve_posting(path: PostingRequestPath) -> PostingRequestAnswer:
    """Approve a posting over the per-claim limit and post it, dated as it was entered. Repeating changes nothing.

    It is checked again first. If it no longer fits, such as `balance_changed` or `period_closed`, it waits on.
    """
    return _decide(posting_decisions.approve, path)


@api.post("/posting-requests/<request_id>/reject", needs=Action.APPROVE_JOB, tag=CLAIMS, problems=[409])
def reject_posting(path: PostingRequestPath, body: Rejection) -> PostingRequestAnswer:
    """Reject a posting over the per-claim limit, with a reason. It is never posted."""
    return _decide(posting_decisions.reject, path, reason=body.reason)


@api.post("/posting-requests/<request_id>/withdraw", needs=Action.POST, tag=CLAIMS, problems=[409])
def withdraw_posting(path: PostingRequestPath) -> PostingRequestAnswer:
    """Withdraw your own posting before another user decides on it."""
    return _decide(posting_decisions.withdraw, path)


def _decide(act: Callable[..., PostingRequest], path: PostingRequestPath, **more: Any) -> PostingRequestAnswer:
    with transaction(app_context().sessions) as session:
        decided = act(session, path.id, by=current_actor(), now=now(), **more)
        return PostingRequestAnswer.find(session, decided)

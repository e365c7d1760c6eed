"""Decisions on a posting by hand that needs approval: approve, reject, withdraw."""

from collections.abc import Callable
from typing import Any, Final

from flask import request
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.db.bounds import BIGINT_MAX
from core.errors import Refusal
from core.ledger import posting_decisions, posting_requests
from core.ledger.posting_requests import RequestRow
from core.models.posting_requests import PostingRequest
from webui.shared import acts
from webui.shared.app_context import now
from webui.shared.auth import Pages, current_actor

_ID_RULE: Final = f"<int(max={BIGINT_MAX}):request_id>"

blueprint = Pages("posting_requests", __name__, url_prefix=f"/posting-requests/{_ID_RULE}")


@blueprint.post("/approve", needs=Action.APPROVE_JOB)
def approve(request_id: int) -> Response:
    """Approve the posting and post it."""
    return _decide(posting_decisions.approve, request_id, "Approved and posted.")


@blueprint.post("/reject", needs=Action.APPROVE_JOB)
def reject(request_id: int) -> Response:
    """Reject the posting with a reason for its requester."""
    reason = request.form.get("reason", "")
    done = "Rejected. Nothing was posted. The requester will see your reason."
    return _decide(posting_decisions.reject, request_id, done, reason=reason)


@blueprint.post("/withdraw", needs=Action.POST)
def withdraw(request_id: int) -> Response:
    """Withdraw the user's own posting."""
    return _decide(posting_decisions.withdraw, request_id, "Withdrawn. Nothing was posted.")


def waiting_on_claim(db: Any, practice_id: int, claim_id: int) -> list[dict[str, Any]]:
    """Return the postings that wait on the claim (internal id), each with what the user may do and who may approve."""
    return [_facts(db, row) for row in posting_requests.list_waiting_on_claim(db, practice_id, claim_id, now=now())]


def _facts(db: Any, row: RequestRow) -> dict[str, Any]:
    actor, at = current_actor(), now()
    approves = actor.may(Action.APPROVE_JOB)
    is_own = row.request.requested_by == actor.user_id
    refusal = posting_decisions.why_not_approve(db, row.request, actor.user_id, now=at) if approves else None
    return {
        "row": row,
        "may_decide": approves and refusal is None,
        "refusal": None if is_own else refusal,
        "may_withdraw": is_own and actor.may(Action.POST),
        "approvers": posting_requests.approver_names(db, row.request, now=at),
    }


def _decide(act: Callable[..., PostingRequest], request_id: int, done: str, **more: Any) -> Response:
    """Decide, and show the claim. If the posting was not decided, its page says why."""
    try:
        decided = acts.run(act, request_id, **more)
    except Refusal as refusal:
        return acts.redirect_with(acts.sentence_on_page(refusal), "claims.show", tone="warn", **_claim_of(request_id))
    return acts.redirect_with(done, "claims.show", **_claim_of(decided.id))


def _claim_of(request_id: int) -> dict[str, str]:
    row = acts.read(posting_requests.find_row, current_actor().practice_id, request_id, now=now())
    if row is None:
        raise posting_decisions.NoSuchRequest
    return {"claim_id": row.claim_id}

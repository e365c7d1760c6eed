"""Decide on a posting by hand that needs approval: another user approves or rejects it, or its requester withdraws it.

An approval posts the entry in the same transaction, after the checks that a new entry gets. Every decision locks the
claim first.
"""

import datetime as dt
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import approvers, audit, authorize, users
from core.access.approvers import AlreadyDecided, ControlledAccount, ReasonMissing
from core.access.permissions import Action, Actor
from core.access.ties import Grant
from core.claims import locks
from core.enums.notices import EventKind
from core.enums.posting_requests import RequestState
from core.errors import NotAllowed, NotFound, Refusal, or_raise
from core.ledger import manual_postings, posting_notices, posting_requests
from core.models.claims import Claim
from core.models.people import User
from core.models.posting_requests import PostingRequest
from core.money import format_cents
from core.reading import is_valid_note

S = RequestState

_DECIDED: Final = {S.POSTED: "approved", S.REJECTED: "rejected", S.WITHDRAWN: "withdrawn"}


class NoSuchRequest(NotFound):
    """No posting with this number needs approval in this practice."""


class OwnPosting(NotAllowed):
    """You entered this posting, so another user must approve it."""


class NotOwnPosting(NotAllowed):
    """Only the user who entered this posting can withdraw it."""


class PostingExpired(Refusal):
    """This posting waited 7 days for approval, so it expired. Its requester can enter it again."""


class BalanceChanged(Refusal):
    """The balance changed after this posting was entered."""


def approve(session: Session, request_id: int, *, by: Actor, now: dt.datetime) -> PostingRequest:
    """Approve the posting and post it, dated as it was entered. A second approval by the same user changes nothing.

    Raise `NoSuchRequest`, `NotAllowed`, `VerificationNeeded`, `AlreadyDecided`, `PostingExpired`, `ClaimBusy`, and what
    a new entry would raise: `BadEntry`, `PeriodClosed` and `PeriodBusy`. Raise `BalanceChanged` if it would leave a
    credit that it did not leave when it was entered. In each case nothing changes.
    """
    by.require(Action.APPROVE_JOB)
    request, claim = _lock(session, request_id, by)
    if not _needs_decision(session, request, by, S.POSTED, now=now):
        return request
    by.require_verified()
    requester = users.actor_for(session.get_one(User, request.requested_by))
    posted = manual_postings.post_approved(session, claim, request, requester, now=now)
    if posted.credit_cents > request.credit_cents:
        raise BalanceChanged(
            f"The balance changed after this posting was entered. Line {request.line} would have a credit of "
            f"{format_cents(posted.credit_cents)} ({request.responsibility}). Reject it, so that the requester can "
            "enter it again."
        )
    return _decide(session, request, claim, S.POSTED, "claim.posting_approved", by=by, now=now)


def reject(session: Session, request_id: int, *, reason: str, by: Actor, now: dt.datetime) -> PostingRequest:
    """Reject the posting with a reason for its requester. Raise what `approve` raises, and `ReasonMissing`."""
    by.require(Action.APPROVE_JOB)
    request, claim = _lock(session, request_id, by)
    reason = reason.strip()
    if not is_valid_note(reason):
        raise ReasonMissing
    if not _needs_decision(session, request, by, S.REJECTED, now=now):
        return request
    request.decision_note = reason
    return _decide(session, request, claim, S.REJECTED, "claim.posting_rejected", by=by, now=now)


def withdraw(session: Session, request_id: int, *, by: Actor, now: dt.datetime) -> PostingRequest:
    """Withdraw the user's own posting before it is decided.

    Raise `NotOwnPosting`, `AlreadyDecided` and `PostingExpired`.
    """
    by.require(Action.POST)
    request, claim = _lock(session, request_id, by)
    if request.requested_by != by.user_id:
        raise NotOwnPosting
    if request.state is S.WITHDRAWN:
        return request
    if request.state is not S.WAITING:
        raise _already(request, by)
    _refuse_expired(request, now=now)
    return _decide(session, request, claim, S.WITHDRAWN, "claim.posting_withdrawn", by=by, now=now)


def why_not_approve(session: Session, request: PostingRequest, user_id: int, *, now: dt.datetime) -> NotAllowed | None:
    """Return the refusal that the user gets who would approve the posting, or None. The role is checked elsewhere."""
    if user_id == request.requested_by:
        return OwnPosting()
    tie = approvers.find_tie(session, request.practice_id, {request.requested_by}, user_id, now=now)
    if not isinstance(tie, Grant):
        return tie
    by = session.get_one(User, tie.by).name
    how = (
        f"{by} entered this posting and {tie.describe('your account')}"
        if tie.by == request.requested_by
        else f"The requester controls your account through the account of {by}"
    )
    return ControlledAccount(
        f"{how}, so another user must approve it. An independent administrator can vouch for your account."
    )


def _lock(session: Session, request_id: int, by: Actor) -> tuple[PostingRequest, Claim]:
    """Lock the claim, which also keeps others from deciding. Return the request as it then is."""
    this = (PostingRequest.practice_id == by.practice_id, PostingRequest.id == request_id)
    of_claim = select(Claim.external_id).join_from(
        PostingRequest, Claim, (Claim.practice_id == PostingRequest.practice_id) & (Claim.id == PostingRequest.claim_id)
    )
    number = or_raise(session.scalars(of_claim.where(*this)).one_or_none(), NoSuchRequest)
    claim = locks.lock_claim(session, by.practice_id, number)
    found = select(PostingRequest).where(*this).with_for_update()
    return session.scalars(found.execution_options(populate_existing=True)).one(), claim


def _needs_decision(
    session: Session, request: PostingRequest, by: Actor, target: RequestState, *, now: dt.datetime
) -> bool:
    """Return True if `by` may decide now, or False if they made the same decision before."""
    if request.state is not S.WAITING:
        if request.decided_by == by.user_id and request.state is target:
            return False
        raise _already(request, by)
    _refuse_expired(request, now=now)
    if refusal := why_not_approve(session, request, by.user_id, now=now):
        raise refusal
    authorize.require_current_role(session, by, Action.APPROVE_JOB)
    return True


def _refuse_expired(request: PostingRequest, *, now: dt.datetime) -> None:
    if posting_requests.is_expired(request, now=now):
        raise PostingExpired


def _already(request: PostingRequest, by: Actor) -> AlreadyDecided:
    decided = _DECIDED[request.state]
    who = "You have" if request.decided_by == by.user_id else "Another user has"
    who = "The requester has" if request.state is S.WITHDRAWN and request.decided_by != by.user_id else who
    return AlreadyDecided(f"{who} already {decided} this posting.", state=request.state.value)


def _decide(
    session: Session,
    request: PostingRequest,
    claim: Claim,
    state: RequestState,
    act: str,
    *,
    by: Actor,
    now: dt.datetime,
) -> PostingRequest:
    request.state, request.decided_by, request.decided_at = state, by.user_id, now
    session.flush()
    facts = {
        "request": request.id,
        "kind": request.kind.value,
        "amount_cents": request.amount_cents,
        "user_id": request.requested_by,
    }
    audit.record(session, act, claim, by=by, now=now, **facts)
    posting_notices.resolve_asked(session, request, now=now)
    if state is not S.WITHDRAWN:
        kind = EventKind.POSTING_APPROVED if state is S.POSTED else EventKind.POSTING_REJECTED
        posting_notices.tell_requester(session, kind, request, claim, now=now)
    return request

"""Postings by hand that need approval: store one, find a repeated one, and list those of a claim or a user."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, not_, or_, select
from sqlalchemy.orm import Session, aliased

from core.access import approvers, audit
from core.access.permissions import Action, Actor
from core.enums.ledger import PostingKind
from core.enums.posting_requests import RequestState
from core.ledger import entries
from core.ledger.by_hand_limits import OverLimit
from core.ledger.entries import Adjustment, Payment, Transfer
from core.ledger.entry_postings import EntryMismatch
from core.ledger.posting_notices import tell_approvers
from core.models.claims import Claim
from core.models.people import User
from core.models.posting_requests import PostingRequest
from core.money import format_cents

EXPIRES_AFTER: Final = dt.timedelta(days=7)  # as a job that needs approval
EXPIRED: Final = "expired"  # a state that is shown. It follows from the time, so nothing stores it.
NEWS_LIFE: Final = dt.timedelta(days=7)  # how long a decision is shown to the requester
_OF_KIND: Final = {
    PostingKind.PAYMENT: ("paid_by",),
    PostingKind.ADJUSTMENT: ("group_code", "reason_code"),
    PostingKind.TRANSFER: (),
}


class RequestRow(NamedTuple):
    """A posting that needs or needed approval, with the claim's number and the users' names."""

    request: PostingRequest
    claim_id: str
    requested_by: str
    requester_left: bool  # whether the requester's account was deactivated
    decided_by: str | None
    is_expired: bool

    @property
    def state(self) -> str:
        """Return the state as users see it."""
        return EXPIRED if self.is_expired else self.request.state.value

    @property
    def expires_at(self) -> dt.datetime:
        """Return when it expires if it still waits."""
        return self.request.requested_at + EXPIRES_AFTER

    @property
    def why(self) -> str:
        """Return a sentence that names the limit and the sum."""
        return why(self.request)


def why(request: PostingRequest) -> str:
    """Return a sentence that names the limit and the sum."""
    total, limit = format_cents(request.total_cents), format_cents(request.limit_cents)
    return f"Over the per-claim limit: {total} entered by hand within 30 days (limit {limit})"


def add(
    session: Session,
    claim: Claim,
    entry: Payment | Adjustment | Transfer,
    over: OverLimit,
    *,
    source_id: str,
    posted_on: dt.date,
    credit_cents: int,
    by: Actor,
    now: dt.datetime,
) -> PostingRequest:
    """Store the entry on the locked claim until it is approved. `credit_cents` is the credit that it would leave."""
    kind = PostingKind(entry.kind)
    request = PostingRequest(
        practice_id=claim.practice_id, claim_id=claim.id, source_id=source_id, kind=kind, line=entry.line,
        responsibility=entry.responsibility, amount_cents=entry.amount_cents, note=entry.note or None,
        posted_on=posted_on, credit_cents=credit_cents, limit_cents=over.limit_cents, total_cents=over.total_cents,
        state=RequestState.WAITING, requested_by=by.user_id, requested_at=now,
        **{name: getattr(entry, name) for name in _OF_KIND[kind]},
    )  # fmt: skip
    session.add(request)
    session.flush()
    facts = {
        "request": request.id, "kind": kind.value, "line": entry.line, "amount_cents": entry.amount_cents,
        "total_cents": over.total_cents, "limit_cents": over.limit_cents,
    }  # fmt: skip
    audit.record(session, "claim.posting_asked", claim, by=by, now=now, **facts)
    tell_approvers(session, request, claim, now=now)
    return request


def entry_of(request: PostingRequest) -> Payment | Adjustment | Transfer:
    """Return the entry as the user made it."""
    names = ("line", "responsibility", "amount_cents", *_OF_KIND[request.kind])
    given = {name: getattr(request, name) for name in names}
    return entries.parse_entry(
        {**given, "kind": request.kind.value, "note": request.note or "", "posted_on": request.posted_on.isoformat()}
    )


def find_repeated(
    session: Session,
    claim: Claim,
    entry: Payment | Adjustment | Transfer,
    source_id: str,
    *,
    dated: Callable[[dt.datetime], dt.date],
) -> PostingRequest | None:
    """Return the request with this key, or None. Raise `EntryMismatch` if it belongs to a different entry."""
    this = select(PostingRequest).where(
        PostingRequest.practice_id == claim.practice_id, PostingRequest.source_id == source_id
    )
    found = session.scalars(this).one_or_none()
    if found is None:
        return None
    again = entry.model_copy(update={"posted_on": dated(found.requested_at)})
    if found.claim_id != claim.id or entry_of(found) != again:
        raise EntryMismatch
    return found


def is_expired(request: PostingRequest, *, now: dt.datetime) -> bool:
    """Return whether the posting waited too long for approval."""
    return request.state is RequestState.WAITING and now - request.requested_at >= EXPIRES_AFTER


def list_waiting_on_claim(session: Session, practice_id: int, claim_id: int, *, now: dt.datetime) -> list[RequestRow]:
    """Return the postings that wait for approval on the claim (internal id), oldest first."""
    return _rows(session, practice_id, PostingRequest.claim_id == claim_id, _waits(now), now=now)


def find_row(session: Session, practice_id: int, request_id: int, *, now: dt.datetime) -> RequestRow | None:
    """Return one request, or None."""
    return next(iter(_rows(session, practice_id, PostingRequest.id == request_id, now=now)), None)


def list_to_approve(session: Session, actor: Actor, *, now: dt.datetime) -> list[RequestRow]:
    """Return the postings that this user may approve or reject, oldest first."""
    if not actor.may(Action.APPROVE_JOB):
        return []
    return _rows(session, actor.practice_id, *_may_be_approved_by(session, actor, now=now), now=now)


def list_for_other_approvers(session: Session, actor: Actor, *, now: dt.datetime) -> list[RequestRow]:
    """Return the postings of others that this approver may not approve, oldest first."""
    if not actor.may(Action.APPROVE_JOB):
        return []
    waits, may = _may_be_approved_by(session, actor, now=now)
    return _rows(session, actor.practice_id, waits, not_(may), not_(_is_own(actor)), now=now)


def count_to_approve(session: Session, actor: Actor, *, now: dt.datetime) -> int:
    """Count the postings that this user may approve or reject."""
    if not actor.may(Action.APPROVE_JOB):
        return 0
    of_actor = (PostingRequest.practice_id == actor.practice_id, *_may_be_approved_by(session, actor, now=now))
    return session.scalars(select(func.count()).select_from(PostingRequest).where(*of_actor)).one()


def list_own_waiting(session: Session, actor: Actor, *, now: dt.datetime) -> list[RequestRow]:
    """Return this user's postings that need approval, oldest first."""
    return _rows(session, actor.practice_id, _is_own(actor), _waits(now), now=now)


def list_own_decided(session: Session, actor: Actor, *, now: dt.datetime) -> list[RequestRow]:
    """Return this user's postings that were approved or rejected, or expired, in the last 7 days, newest first."""
    decided = and_(
        PostingRequest.state.in_((RequestState.POSTED, RequestState.REJECTED)),
        PostingRequest.decided_at > now - NEWS_LIFE,
    )
    expired = and_(_is_expired(now), PostingRequest.requested_at > now - EXPIRES_AFTER - NEWS_LIFE)
    recent = _rows(session, actor.practice_id, _is_own(actor), or_(decided, expired), now=now)
    return sorted(recent, key=lambda row: row.request.decided_at or row.expires_at, reverse=True)


def approver_names(session: Session, request: PostingRequest, *, now: dt.datetime) -> list[str]:
    """Return the names of the users who may approve it."""
    people = approvers.list_approvers(session, request.practice_id, {request.requested_by}, now=now)
    return [user.name for user in people]


def _may_be_approved_by(session: Session, actor: Actor, *, now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    may = approvers.may_approve(session, actor.practice_id, actor.user_id, [PostingRequest.requested_by], now=now)
    return _waits(now), may


def _waits(now: dt.datetime) -> ColumnElement[bool]:
    return and_(PostingRequest.state == RequestState.WAITING, ~_is_expired(now))


def _is_expired(now: dt.datetime) -> ColumnElement[bool]:
    return and_(PostingRequest.state == RequestState.WAITING, PostingRequest.requested_at <= now - EXPIRES_AFTER)


def _is_own(actor: Actor) -> ColumnElement[bool]:
    return PostingRequest.requested_by == actor.user_id


def _rows(session: Session, practice_id: int, *conditions: Any, now: dt.datetime) -> list[RequestRow]:
    requester, decider = aliased(User), aliased(User)
    of_claim = and_(Claim.practice_id == PostingRequest.practice_id, Claim.id == PostingRequest.claim_id)
    found = (
        select(PostingRequest, Claim.external_id, requester.name, ~requester.active, decider.name, _is_expired(now))
        .join(Claim, of_claim)
        .join(requester, requester.id == PostingRequest.requested_by)
        .outerjoin(decider, decider.id == PostingRequest.decided_by)
        .where(PostingRequest.practice_id == practice_id, *conditions)
        .order_by(PostingRequest.id)
    )
    return [RequestRow(*row) for row in session.execute(found)]

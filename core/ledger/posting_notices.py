"""Tell approvers of a posting that needs approval, and its requester of the decision: notices, e-mails and webhooks."""

import datetime as dt
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import approvers
from core.enums.notices import EventKind, NoticeKind
from core.models.claims import Claim
from core.models.notices import Event, Notice
from core.models.posting_requests import PostingRequest
from core.notices.record import notify, record_events, resolve


def tell_approvers(session: Session, request: PostingRequest, claim: Claim, *, now: dt.datetime) -> None:
    """Record that the posting needs approval, and notify the users who may approve it."""
    people = approvers.list_approvers(session, request.practice_id, {request.requested_by}, now=now)
    to = [user.id for user in people]
    _tell(session, EventKind.POSTING_ASKED, NoticeKind.APPROVAL, to, request, claim, now=now)


def tell_requester(
    session: Session, kind: EventKind, request: PostingRequest, claim: Claim, *, now: dt.datetime
) -> None:
    """Record the decision, and notify the requester."""
    _tell(session, kind, NoticeKind.ENDED, [request.requested_by], request, claim, now=now)


def resolve_asked(session: Session, request: PostingRequest, *, now: dt.datetime) -> None:
    """Mark the notices that asked users to decide on the posting as read, and drop their unsent e-mails."""
    about = select(Event.id).where(
        Event.practice_id == request.practice_id, Event.kind == EventKind.POSTING_ASKED,
        Event.facts["request_id"].as_integer() == request.id,
    )  # fmt: skip
    resolve(session, request.practice_id, Notice.job_id.is_(None), Notice.event_id.in_(about), now=now)


def _tell(
    session: Session,
    kind: EventKind,
    about: NoticeKind,
    to: Collection[int],
    request: PostingRequest,
    claim: Claim,
    *,
    now: dt.datetime,
) -> None:
    facts = {
        "request_id": request.id, "entry": request.kind.value, "claim_ids": [claim.external_id],
        "amount_cents": request.amount_cents,
    }  # fmt: skip
    made = record_events(session, [kind], facts, practice_id=request.practice_id, now=now)
    notify(session, made[kind], about, to, practice_id=request.practice_id, now=now)

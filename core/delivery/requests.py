"""Requests to webhooks: signed events, to several receivers at once, so that one that hangs does not delay another."""

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, roles_allowing
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.db.scope import of_practice
from core.delivery import outbox, signature, web_request
from core.delivery.outbox import WEBHOOK_WAITS, Lease
from core.enums.notices import EventKind, NoticeKind, OutboxState
from core.jobs.execution.engine import Clock
from core.models.notices import Event, OutboxMessage, Webhook
from core.models.people import User
from core.notices import webhooks
from core.notices.record import notify, record_events
from core.notices.webhook_deliveries import NOT_COMPOSED
from core.settings import load_settings

log: Final = structlog.get_logger(__name__)

REQUESTS_AT_ONCE: Final = 8
REQUESTS_OF_PRACTICE: Final = 4
API: Final = "/api/v1"
Waiting = Callable[[], AbstractContextManager[None]]  # surrounds each wait for a receiver


class Request(NamedTuple):
    """One request, ready to be sent."""

    lease: Lease
    url: str
    headers: dict[str, str]
    body: bytes


def send_due(sessions: Sessions, *, clock: Clock, waiting: Waiting) -> int:
    """Send one due event to each of several webhooks. Return how many accepted it."""
    with transaction(sessions) as session:
        timeouts.set_timeouts(session)
        leased = outbox.lease_requests(session, at_once=REQUESTS_AT_ONCE, of_practice=REQUESTS_OF_PRACTICE, now=clock())
    if not leased:
        return 0
    due = [request for lease in leased if (request := _try_to_compose(sessions, lease, clock=clock))]
    if not due:
        return 0
    sent = 0
    with ThreadPoolExecutor(len(due)) as pool:
        tries = {pool.submit(_post, request): request.lease for request in due}
        pending = set(tries)
        while pending:
            with waiting():
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for one in done:
                with transaction(sessions, tries[one].practice_id) as session:
                    timeouts.set_timeouts(session)
                    sent += _finish(session, tries[one], one.result(), now=clock())
    return sent


def _try_to_compose(sessions: Sessions, lease: Lease, *, clock: Clock) -> Request | None:
    """Return the request. One that cannot be composed fails alone. Return None if its webhook was deleted meanwhile."""
    try:
        with of_practice(sessions, lease.practice_id)() as session:
            timeouts.set_timeouts(session)
            return compose(session, lease, now=clock())
    except Exception as error:  # noqa: BLE001  whatever it is, the other requests are sent, and this one is tried again
        log.warning("webhook_not_composed", practice_id=lease.practice_id, error=type(error).__name__)
        with transaction(sessions, lease.practice_id) as session:
            timeouts.set_timeouts(session)
            _finish(session, lease, NOT_COMPOSED, now=clock())
        return None


def compose(session: Session, lease: Lease, *, now: dt.datetime) -> Request | None:
    """Return the leased request, or None if it is no longer leased, because its webhook was deleted."""
    message = session.scalars(select(OutboxMessage).where(*lease.is_still_leased())).one_or_none()
    if message is None:
        return None
    webhook = session.get_one(Webhook, (lease.practice_id, lease.webhook_id))
    if webhook.deleted_at is not None:  # since the statement before this one, so its secrets are gone
        return None
    assert message.event_id is not None, "a webhook gets an event"
    event = session.get_one(Event, (lease.practice_id, message.event_id))
    body = json.dumps(payload(event), separators=(",", ":")).encode()
    secrets = webhooks.valid_secrets(webhook, now=now)
    headers = signature.sign(body, message_id=event_name(event), secrets=secrets, now=now)
    headers |= {"Content-Type": "application/json", "User-Agent": "Batch-Settle-Webhook"}
    return Request(lease, webhook.url, headers, body)


def event_name(event: Event) -> str:
    """Return the event's id as receivers see it. It is the same with every try."""
    return f"evt_{event.id}"


def payload(event: Event) -> dict[str, Any]:
    """Return the body of the request: ids, codes, counts and cents, and where to read more."""
    data = {key: str(value) if key.endswith("_id") and value is not None else value
            for key, value in event.facts.items()}  # fmt: skip
    if event.job_id is not None:
        data["settle_job_id"] = str(event.job_id)
    base = f"{load_settings().public_url or ''}{API}"
    return {
        "id": event_name(event),
        "type": event.kind.value,
        "timestamp": event.at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "data": data,
        "links": _links(event, base),
    }


def _links(event: Event, base: str) -> dict[str, Any]:
    if "claim_ids" in event.facts:
        return {"claims": [f"{base}/claims/{quote(number, safe='')}" for number in event.facts["claim_ids"]]}
    if "import_id" in event.facts:
        return {"import": f"{base}/imports/{event.facts['import_id']}"}
    if event.job_id is None:
        return {}
    job = f"{base}/settle-jobs/{event.job_id}"
    links = {"job": job, "items": f"{job}/items"}
    if event.kind in (EventKind.POSTINGS_WRITTEN, EventKind.REVERSED):
        links["postings"] = f"{base}/postings?job={event.job_id}"
    return links


def _post(request: Request) -> str:
    try:
        return web_request.send(request.url, request.headers, request.body, reach=load_settings().webhook_reach)
    except Exception as error:  # noqa: BLE001  whatever it is, the other requests are sent
        log.warning("webhook_not_sent", practice_id=request.lease.practice_id, error=type(error).__name__)
        return "no_connection"


def _finish(session: Session, lease: Lease, result: str, *, now: dt.datetime) -> bool:
    """Record the try, and let the webhook get its next request. Return whether it was accepted."""
    this = select(Webhook).where(Webhook.practice_id == lease.practice_id, Webhook.id == lease.webhook_id)
    webhook = session.scalars(this.with_for_update(key_share=True)).one()
    is_sent = result.startswith("HTTP 2")
    state = outbox.finish(session, lease, is_sent=is_sent, result=result, now=now)
    if state is None:
        return False
    if is_sent:
        webhook.not_before, webhook.failing_since, webhook.failures = None, None, 0
        return True
    webhook.failures += 1
    webhook.not_before = now + WEBHOOK_WAITS[min(webhook.failures, len(WEBHOOK_WAITS)) - 1]
    log.warning(
        "webhook_not_accepted", practice_id=lease.practice_id, webhook_id=webhook.id, tries=lease.tries, result=result
    )
    if state is OutboxState.GIVEN_UP and webhook.failing_since is None:
        webhook.failing_since = now
        _notify_administrators(session, webhook, now=now)
    return False


def _notify_administrators(session: Session, webhook: Webhook, *, now: dt.datetime) -> None:
    """Notify them once, until a request is accepted again."""
    practice_id = webhook.practice_id
    failed, facts = EventKind.WEBHOOK_FAILED, {"webhook_id": webhook.id}
    made = record_events(session, [failed], facts, practice_id=practice_id, now=now)
    may = User.role.in_(roles_allowing(Action.MANAGE_WEBHOOKS))
    to = session.scalars(select(User.id).where(User.practice_id == practice_id, may)).all()
    notify(session, made[failed], NoticeKind.WEBHOOK, to, practice_id=practice_id, now=now)

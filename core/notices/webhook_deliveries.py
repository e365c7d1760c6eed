"""The delivery log of a webhook, and sending a delivery again."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Actor
from core.enums.notices import OutboxState
from core.errors import NotFound
from core.models.notices import Event, OutboxMessage
from core.notices import webhooks

NOT_COMPOSED: Final = "not_composed"
RESULTS: Final = {
    NOT_COMPOSED: "The request could not be composed. Contact support",
    "timeout": "No answer in time",
    "no_connection": "Could not connect",
    "bad_certificate": "The certificate is not valid",
    "unknown_host": "The host name was not found",
    "address_refused": "The address is not public",
}


class NoSuchDelivery(NotFound):
    """There is no such delivery of this webhook."""


class Delivery(NamedTuple):
    """One event on its way to one webhook."""

    message: OutboxMessage
    event: Event


def list_deliveries(
    session: Session, webhook_id: int, *, before: int | None = None, limit: int, by: Actor
) -> Sequence[Delivery]:
    """Return the webhook's deliveries, newest first, with ids below `before`. Raise `NoSuchWebhook`."""
    webhooks.find(session, webhook_id, by=by)
    of_event = (Event.practice_id == OutboxMessage.practice_id) & (Event.id == OutboxMessage.event_id)
    of_webhook = (OutboxMessage.practice_id == by.practice_id, OutboxMessage.webhook_id == webhook_id)
    found = select(OutboxMessage, Event).join(Event, of_event).where(*of_webhook)
    if before is not None:
        found = found.where(OutboxMessage.id < before)
    rows = session.execute(found.order_by(OutboxMessage.id.desc()).limit(limit))
    return [Delivery(*row) for row in rows]


def send_again(session: Session, webhook_id: int, delivery_id: int, *, by: Actor, now: dt.datetime) -> OutboxMessage:
    """Send the delivery again, with the same event id. One that is still on its way is tried at once."""
    webhook = webhooks.find(session, webhook_id, by=by, lock=True)
    this = (
        OutboxMessage.practice_id == by.practice_id,
        OutboxMessage.webhook_id == webhook_id,
        OutboxMessage.id == delivery_id,
    )
    message = session.scalars(select(OutboxMessage).where(*this).with_for_update()).one_or_none()
    if message is None:
        raise NoSuchDelivery
    if message.state is OutboxState.SENDING:
        return message
    message.state, message.tries, message.queued_at, message.not_before = OutboxState.DUE, 0, now, now
    webhook.not_before = None
    subject = Subject.of("webhook", webhook_id, practice_id=by.practice_id)
    audit.record(session, "webhook.sent_again", subject, by=by, now=now, delivery=delivery_id)
    return message


def describe_result(result: str | None) -> str:
    """Say how the last try went."""
    if result is None:
        return ""
    if result.startswith("HTTP 3"):
        return f"{result}: redirects are not followed"
    return RESULTS.get(result, result)

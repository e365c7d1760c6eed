"""Webhooks: where a practice's other systems get events of jobs and postings."""

import datetime as dt
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.db.engine import transaction
from core.enums.notices import OutboxState
from core.jobs import event_sentences
from core.models.notices import Webhook
from core.notices import webhook_deliveries, webhooks
from core.notices.webhook_deliveries import Delivery, NoSuchDelivery
from core.notices.webhooks import KINDS, NoSuchWebhook
from webui.api.blueprint import Tag, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, IdPath, OnceHeaders, Page
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

WEBHOOKS: Final = Tag(name="Webhooks", description="Signed events of jobs and postings for your other systems")
_EVENTS: Final = f"What to send: {', '.join(KINDS)}"


class WebhookPath(IdPath):
    """The webhook's ID."""

    missing = NoSuchWebhook
    webhook_id: str


class DeliveryPath(IdPath):
    """The delivery's ID, and its webhook's."""

    missing = NoSuchDelivery
    delivery_id: str
    webhook_id: str

    @property
    def webhook(self) -> int:
        """Return the webhook's id. Raise `NoSuchWebhook`."""
        return WebhookPath.of({"webhook_id": self.webhook_id}).id


class NewWebhook(Body):
    """A webhook's address and events."""

    url: Annotated[str, Field(description="Must begin with https://")]
    events: Annotated[list[str], Field(description=_EVENTS, default_factory=lambda: list(webhooks.DEFAULT_KINDS))]


class WebhookChange(Body):
    """The webhook as it shall be."""

    url: str
    events: Annotated[list[str], Field(description=_EVENTS)]
    active: bool = True


class WebhookAnswer(Answer):
    """A webhook, without its secret."""

    id: Id
    url: str
    events: Annotated[list[str], Field(validation_alias="kinds")]
    active: bool
    created_at: dt.datetime
    old_secret_until: Annotated[dt.datetime | None, Field(description="Until then, the old secret signs too")]
    failing_since: Annotated[dt.datetime | None, Field(description="When an event was given up after the last success")]


class WebhookWithSecret(WebhookAnswer):
    """A webhook with its new secret, which no other answer contains."""

    secret: str


AnyWebhook = TypeVar("AnyWebhook", bound=WebhookAnswer)


class WebhooksAnswer(Answer):
    """The practice's webhooks, oldest first."""

    webhooks: list[WebhookAnswer]


class DeliveryAnswer(Answer):
    """One event on its way to one webhook."""

    id: Id
    event_id: Annotated[str, Field(description="The header webhook-id, the same with every try")]
    type: str
    words: str
    settle_job_id: Id | None
    at: dt.datetime
    state: OutboxState
    tries: int
    last_result: Annotated[str | None, Field(description='Such as "HTTP 204" or "timeout"')]
    next_try_at: dt.datetime | None
    sent_at: dt.datetime | None

    @classmethod
    def of(cls, one: Delivery) -> "DeliveryAnswer":
        """Return the delivery as an answer."""
        message, event = one
        return cls(
            id=message.id, event_id=f"evt_{event.id}", type=event.kind.value,
            words=event_sentences.sentence(event), settle_job_id=event.job_id, at=event.at,
            state=message.state, tries=message.tries, last_result=message.last_result,
            next_try_at=message.not_before if message.state is OutboxState.DUE else None, sent_at=message.sent_at,
        )  # fmt: skip


class DeliveriesAnswer(Answer):
    """A page of deliveries, newest first."""

    deliveries: list[DeliveryAnswer]
    next_cursor: str | None


class Queued(Answer):
    """What was queued."""

    delivery_id: Id


@api.get("/webhooks", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS)
def list_webhooks(session: Session) -> WebhooksAnswer:
    """List the practice's webhooks."""
    return WebhooksAnswer(webhooks=webhooks.list_webhooks(session, current_actor()))


@api.post("/webhooks", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS, status=201, problems=[409])
def add_webhook(header: OnceHeaders, body: NewWebhook) -> WebhookWithSecret:
    """Add a webhook. Only this answer contains its secret."""
    reach, key = app_context().settings.webhook_reach, header.idempotency_key
    return _run(webhooks.add, WebhookWithSecret, url=body.url, kinds=body.events, reach=reach, request_key=key)


@api.get("/webhooks/<webhook_id>", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS)
def show_webhook(path: WebhookPath, session: Session) -> WebhookAnswer:
    """Show one webhook."""
    return WebhookAnswer.model_validate(webhooks.find(session, path.id, by=current_actor()))


@api.put("/webhooks/<webhook_id>", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS)
def change_webhook(path: WebhookPath, body: WebhookChange) -> WebhookAnswer:
    """Change a webhook's address and events, or turn it off. Its secret stays."""
    return _run(
        webhooks.change, WebhookAnswer, path.id, url=body.url, kinds=body.events, active=body.active,
        reach=app_context().settings.webhook_reach,
    )  # fmt: skip


@api.delete("/webhooks/<webhook_id>", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS)
def delete_webhook(path: WebhookPath, session: Session) -> None:
    """Delete a webhook. Events that it did not get yet are dropped."""
    webhooks.delete(session, path.id, by=current_actor(), now=now())


@api.post("/webhooks/<webhook_id>/secret", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS, problems=[409])
def rotate_secret(path: WebhookPath) -> WebhookWithSecret:
    """Create a new secret, which only this answer contains. The old one also signs for 24 hours.

    Until then, another new secret is refused.
    """
    return _run(webhooks.rotate_secret, WebhookWithSecret, path.id)


@api.post("/webhooks/<webhook_id>/test", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS, status=202)
def test_webhook(path: WebhookPath, session: Session) -> Queued:
    """Send a test event."""
    return Queued(delivery_id=webhooks.send_test(session, path.id, by=current_actor(), now=now()))


@api.get("/webhooks/<webhook_id>/deliveries", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS)
def list_deliveries(path: WebhookPath, query: Page, session: Session) -> DeliveriesAnswer:
    """List a webhook's deliveries, newest first."""
    found = webhook_deliveries.list_deliveries(
        session, path.id, before=query.after(), limit=query.limit + 1, by=current_actor()
    )
    deliveries, cursor = query.cut([DeliveryAnswer.of(one) for one in found])
    return DeliveriesAnswer(deliveries=deliveries, next_cursor=cursor)


@api.post(
    "/webhooks/<webhook_id>/deliveries/<delivery_id>/again", needs=Action.MANAGE_WEBHOOKS, tag=WEBHOOKS, status=202
)
def send_again(path: DeliveryPath, session: Session) -> Queued:
    """Send an event again, with the same event ID."""
    webhook_deliveries.send_again(session, path.webhook, path.id, by=current_actor(), now=now())
    return Queued(delivery_id=path.id)


def _run(act: Callable[..., Webhook], model: type[AnyWebhook], *given: Any, **more: Any) -> AnyWebhook:
    with transaction(app_context().sessions) as session:
        return model.model_validate(act(session, *given, **more, by=current_actor(), now=now()))

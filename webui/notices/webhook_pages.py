"""The practice's webhooks, for administrators: addresses, events, secrets and the delivery log."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core import paging
from core.access.permissions import Action
from core.db.bounds import BIGINT_MAX
from core.enums.notices import EventKind, OutboxState
from core.errors import Refusal
from core.models.notices import OutboxMessage, Webhook
from core.notices import webhook_deliveries, webhooks
from core.notices.webhook_address import BadWebhookUrl
from core.notices.webhooks import BadWebhookKinds, OldSecretStillValid, SecretNotShown, TooManyWebhooks, WebhookMismatch
from webui.shared import acts, page_arguments, partials
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor
from webui.shared.labels import Pill

PAGE_DELIVERIES: Final = 50
_KEY_CHARACTERS_MAX: Final = 100
EVENT_WORDS: Final[Mapping[EventKind, str]] = {
    EventKind.CONFIRMED: "A job is confirmed",
    EventKind.COMPLETED: "A job completes",
    EventKind.HALTED: "A job halts",
    EventKind.CANCELLED: "A job is canceled",
    EventKind.REVERSED: "A job is reversed",
    EventKind.POSTINGS_WRITTEN: "A job wrote postings",
    EventKind.POSTINGS_ENTERED: "A payment, adjustment, transfer, refund or void is entered",
    EventKind.POSTINGS_IMPORTED: "An import adds postings",
    EventKind.APPROVAL_REQUESTED: "A job needs approval",
    EventKind.REJECTED: "A job is rejected",
    EventKind.EXPIRED: "A job expires",
    EventKind.DISCARDED: "A job that needed approval is discarded",
    EventKind.POSTING_ASKED: "A posting needs approval",
    EventKind.POSTING_APPROVED: "A posting is approved",
    EventKind.POSTING_REJECTED: "A posting is rejected",
    EventKind.AUDIT_LAST_ENTRY: "Every day: the number and checksum of the audit log’s last entry",
}
STATE: Final[Mapping[OutboxState, Pill]] = {
    OutboxState.DUE: Pill("Waiting", "clock", "run"),
    OutboxState.SENDING: Pill("Sending", "play", "run"),
    OutboxState.SENT: Pill("Delivered", "check", "good"),
    OutboxState.GIVEN_UP: Pill("Gave up", "alert", "bad"),
}
RETRYING: Final = Pill("Will retry", "alert", "warn")

blueprint = Pages("webhooks", __name__, url_prefix="/webhooks")
_ID_RULE: Final = f"<int(max={BIGINT_MAX}):webhook_id>"


@blueprint.get("", needs=Action.MANAGE_WEBHOOKS)
def index() -> str:
    """List the webhooks, and show a form to add one."""
    return _index()


def _index(*, typed: Mapping[str, Any] | None = None, faults: Mapping[str, str] | None = None) -> str:
    found = acts.read(webhooks.list_webhooks, current_actor())
    typed = typed or {"url": "", "kinds": [kind.value for kind in webhooks.DEFAULT_KINDS]}
    return render_template(
        "webhooks/index.html",
        webhooks=found,
        events=EVENT_WORDS,
        typed=typed,
        faults=faults or {},
        idempotency_key=secrets.token_urlsafe(16),
    )


@blueprint.post("", needs=Action.MANAGE_WEBHOOKS)
def add() -> Response | tuple[str, int]:
    """Add a webhook, once for each form."""
    typed = _typed()
    key = request.form.get("idempotency_key", "")[:_KEY_CHARACTERS_MAX] or secrets.token_urlsafe(16)
    try:
        added = acts.run(webhooks.add, **typed, reach=_reach(), request_key=key)
    except (BadWebhookUrl, BadWebhookKinds, TooManyWebhooks, WebhookMismatch) as refusal:
        return _index(typed=typed, faults=_faults(refusal)), refusal.http_status
    return acts.redirect_to("webhooks.secret", webhook_id=added.id)


@blueprint.get(f"/{_ID_RULE}", needs=Action.MANAGE_WEBHOOKS)
def show(webhook_id: int) -> str | Response:
    """Show one webhook and its delivery log. The page polls while a delivery waits for its first try."""
    if not partials.is_partial_request():
        return _page(webhook_id)
    _, facts = _log(webhook_id)
    return partials.partial_response(render_template("webhooks/_deliveries.html", **facts))


def _log(webhook_id: int) -> tuple[Webhook, dict[str, Any]]:
    """Return the webhook, and what its delivery log shows."""
    before, by = page_arguments.number("before"), current_actor()
    with app_context().sessions() as db:
        webhook = webhooks.find(db, webhook_id, by=by)
        found = webhook_deliveries.list_deliveries(db, webhook_id, before=before, limit=PAGE_DELIVERIES + 1, by=by)
    shown, last = paging.cut(found, PAGE_DELIVERIES)
    return webhook, {
        "webhook": webhook,
        "deliveries": shown,
        "moving": any(_is_moving(one.message) for one in shown),
        "older": last and last.message.id,
        "before": before,
        "status_of": _status,
        "describe_result": webhook_deliveries.describe_result,
        "kept_days": app_context().settings.message_days,
    }


def _page(webhook_id: int, *, typed: Mapping[str, Any] | None = None, faults: Mapping[str, str] | None = None) -> str:
    webhook, facts = _log(webhook_id)
    return render_template(
        "webhooks/show.html",
        **facts,
        events=EVENT_WORDS,
        two_secrets_until=webhook.old_secret_until if len(webhooks.valid_secrets(webhook, now=now())) > 1 else None,
        typed=typed or {"url": webhook.url, "kinds": webhook.kinds, "active": webhook.active},
        faults=faults or {},
    )


@blueprint.post(f"/{_ID_RULE}", needs=Action.MANAGE_WEBHOOKS)
def change(webhook_id: int) -> Response | tuple[str, int]:
    """Save the address, the events, and whether they are sent."""
    typed = {**_typed(), "active": "active" in request.form}
    try:
        acts.run(webhooks.change, webhook_id, **typed, reach=_reach())
    except (BadWebhookUrl, BadWebhookKinds) as refusal:
        return _page(webhook_id, typed=typed, faults=_faults(refusal)), refusal.http_status
    return acts.redirect_with("Webhook saved.", "webhooks.show", webhook_id=webhook_id)


@blueprint.post(f"/{_ID_RULE}/secret", needs=Action.MANAGE_WEBHOOKS)
def rotate_secret(webhook_id: int) -> Response:
    """Give the webhook a new secret. A double-click shows the one that the first click created."""
    try:
        acts.run(webhooks.rotate_secret, webhook_id)
    except OldSecretStillValid as refusal:
        return acts.redirect_with(refusal.message, "webhooks.secret", tone="warn", webhook_id=webhook_id)
    return acts.redirect_to("webhooks.secret", webhook_id=webhook_id)


@blueprint.get(f"/{_ID_RULE}/secret", needs=Action.MANAGE_WEBHOOKS)
def secret(webhook_id: int) -> str | Response:
    """Show a new secret for a few minutes."""
    try:
        webhook = acts.run(webhooks.show_secret, webhook_id)
    except SecretNotShown as refusal:
        return acts.redirect_with(refusal.message, "webhooks.show", tone="warn", webhook_id=webhook_id)
    return render_template("webhooks/secret.html", webhook=webhook)


@blueprint.post(f"/{_ID_RULE}/test", needs=Action.MANAGE_WEBHOOKS)
def send_test(webhook_id: int) -> Response:
    """Queue a test event."""
    acts.run(webhooks.send_test, webhook_id)
    return acts.redirect_with("Test event queued. The result appears below.", "webhooks.show", webhook_id=webhook_id)


@blueprint.post(f"/{_ID_RULE}/deliveries/<int(max={BIGINT_MAX}):delivery_id>/again", needs=Action.MANAGE_WEBHOOKS)
def send_again(webhook_id: int, delivery_id: int) -> Response:
    """Send an event again, with the same id."""
    acts.run(webhook_deliveries.send_again, webhook_id, delivery_id)
    return acts.redirect_with("Event queued. The result appears below.", "webhooks.show", webhook_id=webhook_id)


@blueprint.post(f"/{_ID_RULE}/delete", needs=Action.MANAGE_WEBHOOKS)
def delete(webhook_id: int) -> Response:
    """Delete the webhook."""
    acts.run(webhooks.delete, webhook_id)
    return acts.redirect_with("Webhook deleted.", "webhooks.index")


def _is_moving(message: OutboxMessage) -> bool:
    """Return whether a result is expected within seconds."""
    return message.state is OutboxState.SENDING or (message.state is OutboxState.DUE and not message.tries)


def _status(message: OutboxMessage) -> Pill:
    return RETRYING if message.state is OutboxState.DUE and message.tries else STATE[message.state]


def _typed() -> dict[str, Any]:
    return {"url": request.form.get("url", ""), "kinds": request.form.getlist("events")}


def _faults(refusal: Refusal) -> dict[str, str]:
    return {"kinds" if isinstance(refusal, BadWebhookKinds) else "url": refusal.message}


def _reach() -> Any:
    return app_context().settings.webhook_reach

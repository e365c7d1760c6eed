"""`settle webhook`: where a practice's other systems get an event for each job."""

import secrets
from typing import Any, Final

import click

from core.cli import options
from core.cli.client import Api
from core.cli.user_command import user_command


@click.group()
def webhook() -> None:
    """List, add, change, test and delete webhooks, and list what was sent to them."""


_webhook_argument: Final = click.argument(
    "number", metavar="WEBHOOK", type=options.RecordNumber("webhook", where="to find it, run `settle webhook list`")
)
_event_option: Final = click.option(
    "--event", "events", multiple=True, metavar="TYPE", help="Event to send, such as job.completed. Repeat for more."
)


def _line(one: dict[str, Any]) -> str:
    state = "failing" if one["failing_since"] else "on" if one["active"] else "off"
    return f"{one['id']}  {one['url']}  {state}  {', '.join(one['events'])}"


def _secret(one: dict[str, Any]) -> str:
    return f"{_line(one)}\nSecret, shown only once: {one['secret']}"


@user_command(lambda found: "\n".join(map(_line, found["webhooks"])) or "No webhooks.", name="list", group=webhook)
def list_(api: Api) -> Any:
    """List the webhooks."""
    return api.get("/webhooks")


@user_command(_secret, group=webhook)
@click.argument("url")
@_event_option
def add(api: Api, url: str, events: tuple[str, ...]) -> Any:
    """Add a webhook and print its secret. Without --event, it gets the usual events."""
    body = {"url": url, **({"events": list(events)} if events else {})}
    return api.post("/webhooks", body, key=secrets.token_urlsafe(16))


@user_command(_line, group=webhook)
@_webhook_argument
@click.option("--url", help="New address.")
@_event_option
@click.option("--on/--off", "active", default=None, help="Send new events, or stop.")
def change(api: Api, number: int, url: str | None, events: tuple[str, ...], active: bool | None) -> Any:
    """Change a webhook. What is left out stays."""
    one = api.get(f"/webhooks/{number}")
    body = {
        "url": url or one["url"],
        "events": list(events) or one["events"],
        "active": one["active"] if active is None else active,
    }
    return api.send("PUT", f"/webhooks/{number}", body=body)


@user_command(_secret, name="new-secret", group=webhook)
@_webhook_argument
def new_secret(api: Api, number: int) -> Any:
    """Create a new secret and print it. The old one also signs for 24 hours."""
    return api.post(f"/webhooks/{number}/secret")


@user_command(lambda one: f"Test event queued as delivery {one['delivery_id']}.", group=webhook)
@_webhook_argument
def test(api: Api, number: int) -> Any:
    """Send a test event."""
    return api.post(f"/webhooks/{number}/test")


def _delivery(one: dict[str, Any]) -> str:
    last = f"  {one['last_result']}" if one["last_result"] else ""
    return f"{one['id']}  {one['event_id']}  {one['type']}  {one['state']}, tries: {one['tries']}{last}  {one['words']}"


@user_command(lambda found: "\n".join(map(_delivery, found["deliveries"])) or "No event was sent yet.", group=webhook)
@_webhook_argument
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
def deliveries(api: Api, number: int, limit: int) -> Any:
    """List the webhook's deliveries, newest first."""
    return api.get_all(f"/webhooks/{number}/deliveries", "deliveries", most=limit)


@user_command(lambda one: f"Delivery {one['delivery_id']} is sent again.", name="send-again", group=webhook)
@_webhook_argument
@click.argument(
    "delivery", type=options.RecordNumber("delivery", where="to find it, run `settle webhook deliveries WEBHOOK`")
)
def send_again(api: Api, number: int, delivery: int) -> Any:
    """Send an event again, with the same event ID."""
    return api.post(f"/webhooks/{number}/deliveries/{delivery}/again")


@user_command(lambda _: "Webhook deleted.", group=webhook)
@_webhook_argument
def delete(api: Api, number: int) -> Any:
    """Delete a webhook. Events that it did not get yet are dropped."""
    return api.send("DELETE", f"/webhooks/{number}")


def _notice(one: dict[str, Any]) -> str:
    words = f"{one['words']} ({one['details']})" if one["details"] else one["words"]
    return f"{'      ' if one['read_at'] else 'unread'}  {words}"


@user_command(lambda found: "\n".join(map(_notice, found["notices"])) or "No notices.")
@click.option("--unread", is_flag=True, help="Only unread notices.")
@click.option("--mark-read", is_flag=True, help="Mark the notices as read.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
def notices(api: Api, unread: bool, mark_read: bool, limit: int) -> Any:
    """List your notices: jobs that ended, halted, expire soon or need your approval."""
    found = api.get_all("/notices", "notices", most=limit, unread="true" if unread else None)
    if mark_read and found["notices"]:
        api.post("/notices/read", {"through": found["notices"][0]["id"]})
    return found


COMMANDS = [webhook, notices]

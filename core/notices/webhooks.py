"""A practice's webhooks: add, change, rotate the secret, test, delete. Only administrators may."""

import base64
import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.clock_times import clock
from core.enums.notices import EventKind, OutboxState
from core.errors import BadInput, NotFound, Refusal, or_raise
from core.models.notices import OutboxMessage, Webhook
from core.models.practices import Practice
from core.notices.record import record_events
from core.notices.webhook_address import WebhookReach, check_url

WEBHOOKS_MAX: Final = 10  # for each practice
OLD_SECRET_LIFE: Final = dt.timedelta(hours=24)  # for both secrets, so that the receiver can be changed in between
SECRET_SHOWN_FOR: Final = dt.timedelta(minutes=10)  # so that a reload or a double-click does not lose it
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 – not a secret
# What a practice-management system needs so that it need not poll.
KINDS: Final = (
    EventKind.CONFIRMED, EventKind.COMPLETED, EventKind.HALTED, EventKind.CANCELLED, EventKind.REVERSED,
    EventKind.POSTINGS_WRITTEN, EventKind.POSTINGS_ENTERED, EventKind.POSTINGS_IMPORTED, EventKind.APPROVAL_REQUESTED,
    EventKind.REJECTED, EventKind.EXPIRED, EventKind.DISCARDED, EventKind.POSTING_ASKED, EventKind.POSTING_APPROVED,
    EventKind.POSTING_REJECTED, EventKind.AUDIT_LAST_ENTRY,
)  # fmt: skip
DEFAULT_KINDS: Final = KINDS[:8]


class NoSuchWebhook(NotFound):
    """There is no such webhook in this practice."""


class BadWebhookKinds(BadInput):
    """Choose at least one event."""

    code = "bad_webhook_events"


class TooManyWebhooks(Refusal):
    """A practice can have 10 webhooks. Delete one first."""


class WebhookMismatch(BadInput):
    """This idempotency key was already used for a different webhook. Use a new key."""

    code = "idempotency_mismatch"


class OldSecretStillValid(Refusal):
    """The old secret is still valid. Create the next secret after it ends."""


class SecretNotShown(NotFound):
    """This secret can no longer be shown. If you lost it, create a new one."""


def list_webhooks(session: Session, by: Actor) -> Sequence[Webhook]:
    """Return the practice's webhooks, oldest first."""
    by.require(Action.MANAGE_WEBHOOKS)
    of_practice = (Webhook.practice_id == by.practice_id, Webhook.deleted_at.is_(None))
    return session.scalars(select(Webhook).where(*of_practice).order_by(Webhook.id)).all()


def find(session: Session, webhook_id: int, *, by: Actor, lock: bool = False) -> Webhook:
    """Return the webhook. Raise `NoSuchWebhook`."""
    by.require(Action.MANAGE_WEBHOOKS)
    this = (Webhook.practice_id == by.practice_id, Webhook.id == webhook_id, Webhook.deleted_at.is_(None))
    found = select(Webhook).where(*this)
    return or_raise(
        session.scalars(found.with_for_update(key_share=True) if lock else found).one_or_none(), NoSuchWebhook
    )


def add(
    session: Session,
    *,
    url: str,
    kinds: Iterable[str],
    reach: WebhookReach,
    by: Actor,
    now: dt.datetime,
    request_key: str | None = None,
) -> Webhook:
    """Add a webhook with a new secret, or return the one that was added with this key.

    Raise `BadWebhookUrl`, `BadWebhookKinds`, `TooManyWebhooks`, and `WebhookMismatch` if the key was used differently.
    """
    asked = {"url": url.strip(), "kinds": sorted(set(kinds))}
    request_hash = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    authorize.require_current_role(session, by, Action.MANAGE_WEBHOOKS)
    # Two requests at once would otherwise exceed the limit, or add the same webhook twice.
    session.execute(select(Practice.id).where(Practice.id == by.practice_id).with_for_update(key_share=True))
    of_practice = (Webhook.practice_id == by.practice_id, Webhook.deleted_at.is_(None))
    if request_key is not None:
        request_key = f"{by.user_id}:{request_key}"
        same = session.scalars(select(Webhook).where(*of_practice, Webhook.request_key == request_key)).one_or_none()
        if same is not None and same.request_hash != request_hash:
            raise WebhookMismatch
        if same is not None:
            return same
    if session.scalars(select(func.count()).select_from(Webhook).where(*of_practice)).one() >= WEBHOOKS_MAX:
        raise TooManyWebhooks
    webhook = Webhook(
        practice_id=by.practice_id, url=check_url(url, reach=reach), kinds=_checked_kinds(asked["kinds"]), active=True,
        secret=_make_secret(), secret_created_at=now, request_key=request_key, request_hash=request_hash,
        created_by=by.user_id, created_at=now,
    )  # fmt: skip
    session.add(webhook)
    session.flush()
    _record(session, "webhook.added", webhook, by=by, now=now, **_facts(webhook))
    return webhook


def change(
    session: Session,
    webhook_id: int,
    *,
    url: str,
    kinds: Iterable[str],
    active: bool,
    reach: WebhookReach,
    by: Actor,
    now: dt.datetime,
) -> Webhook:
    """Change the address, the events, and whether they are sent. Raise what `add` raises, and `NoSuchWebhook`."""
    webhook = _lock(session, webhook_id, by)
    before = (webhook.url, webhook.kinds, webhook.active)
    webhook.url, webhook.kinds, webhook.active = check_url(url, reach=reach), _checked_kinds(kinds), active
    if before != (webhook.url, webhook.kinds, webhook.active):
        webhook.not_before = None  # try the new address at once
        _record(session, "webhook.changed", webhook, by=by, now=now, **_facts(webhook))
    return webhook


def rotate_secret(session: Session, webhook_id: int, *, by: Actor, now: dt.datetime) -> Webhook:
    """Give the webhook a new secret. The old one also signs for 24 hours. Until then, raise `OldSecretStillValid`."""
    webhook = _lock(session, webhook_id, by)
    if webhook.old_secret_until is not None and now < webhook.old_secret_until:
        # A third secret would end the one that the receiver may still use.
        ends = webhook.old_secret_until.astimezone(ZoneInfo(session.get_one(Practice, by.practice_id).time_zone))
        until = f"{ends:%m/%d/%Y}, {clock(ends)}"
        raise OldSecretStillValid(f"The old secret is valid until {until}. Create the next secret after that.")
    webhook.old_secret, webhook.old_secret_until = webhook.secret, now + OLD_SECRET_LIFE
    webhook.secret, webhook.secret_created_at = _make_secret(), now
    _record(session, "webhook.secret_rotated", webhook, by=by, now=now)
    return webhook


def show_secret(session: Session, webhook_id: int, *, by: Actor, now: dt.datetime) -> Webhook:
    """Return the webhook while its new secret may be shown. Raise `SecretNotShown`."""
    webhook = find(session, webhook_id, by=by)
    if now - webhook.secret_created_at > SECRET_SHOWN_FOR:
        raise SecretNotShown
    return webhook


def delete(session: Session, webhook_id: int, *, by: Actor, now: dt.datetime) -> None:
    """Delete the webhook. What it has not been sent is given up."""
    webhook = _lock(session, webhook_id, by)
    webhook.deleted_at, webhook.request_key = now, None
    webhook.secret, webhook.old_secret, webhook.old_secret_until = "", None, None
    unsent = (OutboxMessage.practice_id == by.practice_id, OutboxMessage.webhook_id == webhook_id)
    is_unsent = OutboxMessage.state.in_((OutboxState.DUE, OutboxState.SENDING))
    session.execute(update(OutboxMessage).where(*unsent, is_unsent).values(state=OutboxState.GIVEN_UP))
    _record(session, "webhook.deleted", webhook, by=by, now=now)


def send_test(session: Session, webhook_id: int, *, by: Actor, now: dt.datetime) -> int:
    """Queue a test event for this webhook alone, even if it is turned off. Return the delivery's id."""
    webhook = _lock(session, webhook_id, by)
    made = record_events(session, [EventKind.TEST], {}, practice_id=by.practice_id, now=now)
    message = OutboxMessage(
        practice_id=by.practice_id, webhook_id=webhook.id, event_id=made[EventKind.TEST], state=OutboxState.DUE,
        queued_at=now, not_before=now,
    )  # fmt: skip
    session.add(message)
    webhook.not_before = None
    session.flush()
    _record(session, "webhook.tested", webhook, by=by, now=now)
    return message.id


def valid_secrets(webhook: Webhook, *, now: dt.datetime) -> list[str]:
    """Return the secrets that sign now, the newest first."""
    is_old_valid = webhook.old_secret_until is not None and now < webhook.old_secret_until
    return [webhook.secret, *([webhook.old_secret] if is_old_valid and webhook.old_secret else [])]


def _lock(session: Session, webhook_id: int, by: Actor) -> Webhook:
    authorize.require_current_role(session, by, Action.MANAGE_WEBHOOKS)
    return find(session, webhook_id, by=by, lock=True)


def _checked_kinds(kinds: Iterable[str]) -> list[str]:
    given = set(kinds)
    unknown = given - {kind.value for kind in KINDS}
    if unknown:
        raise BadWebhookKinds(f"Unknown event. Choose from: {', '.join(KINDS)}.")
    if not given:
        raise BadWebhookKinds
    return [kind.value for kind in KINDS if kind.value in given]


def _make_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _facts(webhook: Webhook) -> dict[str, Any]:
    # Without the path, which may contain a key of the receiver.
    return {"host": urlsplit(webhook.url).hostname, "events": webhook.kinds, "active": webhook.active}


def _record(session: Session, act: str, webhook: Webhook, *, by: Actor, now: dt.datetime, **facts: Any) -> None:
    subject = Subject.of("webhook", webhook.id, practice_id=webhook.practice_id)
    audit.record(session, act, subject, by=by, now=now, **facts)

"""Lease a message of the outbox, and record how sending it went.

The lease is committed before sending, so that two workers never send the same message. If a worker dies in between, the
message is sent again under the same id, so that its receiver can recognize it.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from core.enums.notices import EventKind, OutboxState
from core.models.notices import Event, OutboxMessage, Webhook
from core.schedules.run_mail import MAIL_EXPIRES_AFTER
from core.settings import load_settings

# Far longer than sending takes, so by then the worker with the lease is dead.
LEASE: Final = dt.timedelta(minutes=10)
REQUEST_LEASE: Final = dt.timedelta(minutes=1)
# The last wait repeats until `MAIL_EXPIRES_AFTER`, so that a server repaired after a weekend still gets the message.
RETRY_WAITS: Final = tuple(dt.timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240))
# Between two tries to one webhook, whatever the message, so that a receiver that hangs takes little time of workers.
WEBHOOK_WAITS: Final = tuple(dt.timedelta(seconds=seconds) for seconds in (30, 60, 120, 300, 900))

_IS_STAMP: Final = OutboxMessage.time_stamp_id.is_not(None)
_IS_MAIL: Final = and_(OutboxMessage.webhook_id.is_(None), ~_IS_STAMP)
_IS_TEST: Final = exists().where(
    Event.practice_id == OutboxMessage.practice_id, Event.id == OutboxMessage.event_id, Event.kind == EventKind.TEST
)
_UNSENT: Final = OutboxMessage.state.in_((OutboxState.DUE, OutboxState.SENDING))


class Lease(NamedTuple):
    """One message that this process sends, and the number of the try."""

    practice_id: int
    message_id: int
    webhook_id: int | None
    tries: int
    left: Sequence[str]  # addresses that the e-mail has not been sent to yet
    gives_up_at: dt.datetime

    def is_still_leased(self) -> tuple[ColumnElement[bool], ...]:
        """Return, as SQL, whether the message is still leased to us."""
        return (
            OutboxMessage.practice_id == self.practice_id,
            OutboxMessage.id == self.message_id,
            OutboxMessage.state == OutboxState.SENDING,
            OutboxMessage.tries == self.tries,
        )


def has_due(session: Session, *, now: dt.datetime) -> bool:
    """Return whether a message can be sent now."""
    settings = load_settings()
    wanted = [] if settings.smtp_url else [~_IS_MAIL]
    wanted += [] if settings.timestamp_url else [~_IS_STAMP]
    return bool(session.scalar(select(exists().where(_is_sendable(now), *wanted))))


def lease_mail(session: Session, *, now: dt.datetime) -> Lease | None:
    """Lease the e-mail that has waited longest."""
    return _lease_oldest(session, _IS_MAIL, life=LEASE, now=now)


def lease_time_stamp(session: Session, *, now: dt.datetime) -> Lease | None:
    """Lease the request to the time-stamping authority that has waited longest."""
    return _lease_oldest(session, _IS_STAMP, life=REQUEST_LEASE, now=now)


def _lease_oldest(session: Session, kind: ColumnElement[bool], *, life: dt.timedelta, now: dt.datetime) -> Lease | None:
    oldest = select(OutboxMessage).where(kind, _is_sendable(now)).order_by(OutboxMessage.not_before).limit(1)
    message = session.scalars(oldest.with_for_update(skip_locked=True)).one_or_none()
    return None if message is None else _lease(message, life, now=now)


def lease_requests(session: Session, *, at_once: int, of_practice: int, now: dt.datetime) -> list[Lease]:
    """Lease the oldest due message of each webhook that gets no other request now, for at most `at_once` webhooks.

    At most `of_practice` webhooks of one practice, so that one practice does not delay the others.
    """
    of_webhook = (OutboxMessage.practice_id == Webhook.practice_id, OutboxMessage.webhook_id == Webhook.id)
    sendable = (*of_webhook, _is_sendable(now), or_(Webhook.active, _IS_TEST))  # others wait until it is on again
    longest = select(func.min(OutboxMessage.not_before)).where(*sendable).correlate(Webhook).scalar_subquery()
    nth = func.row_number().over(partition_by=Webhook.practice_id, order_by=longest).label("nth")
    ready = (
        select(Webhook.practice_id, Webhook.id, longest.label("longest"), nth)
        .where(
            Webhook.deleted_at.is_(None),
            or_(Webhook.not_before.is_(None), Webhook.not_before <= now),
            exists().where(*sendable),
        )
        .subquery("ready")
    )
    free = (
        select(Webhook)
        .join(ready, and_(ready.c.practice_id == Webhook.practice_id, ready.c.id == Webhook.id))
        .where(
            # Checked again on the locked row, because another worker may have leased from the webhook meanwhile.
            Webhook.deleted_at.is_(None),
            or_(Webhook.not_before.is_(None), Webhook.not_before <= now),
            ready.c.nth <= of_practice,
        )
        .order_by(ready.c.nth, ready.c.longest)
        .limit(at_once)
        .with_for_update(skip_locked=True, key_share=True, of=Webhook)
    )
    leased = []
    for webhook in session.scalars(free.execution_options(populate_existing=True)).all():
        due = (OutboxMessage.practice_id == webhook.practice_id, OutboxMessage.webhook_id == webhook.id)
        wanted = [_is_sendable(now), *([] if webhook.active else [_IS_TEST])]
        oldest = select(OutboxMessage).where(*due, *wanted).order_by(OutboxMessage.not_before, OutboxMessage.id)
        message = session.scalars(oldest.limit(1).with_for_update(skip_locked=True)).one_or_none()
        if message is not None:
            webhook.not_before = now + REQUEST_LEASE
            leased.append(_lease(message, REQUEST_LEASE, now=now))
    return leased


def finish(
    session: Session, lease: Lease, *, is_sent: bool, left: Sequence[str] = (), result: str | None, now: dt.datetime
) -> OutboxState | None:
    """Record the try. Return the new state, or None if another worker has the message since."""
    state = OutboxState.SENT if is_sent else OutboxState.DUE
    if not is_sent and now >= lease.gives_up_at:
        state = OutboxState.GIVEN_UP
    wait = RETRY_WAITS[min(lease.tries, len(RETRY_WAITS)) - 1] if state is OutboxState.DUE else dt.timedelta()
    values = {"state": state, "pending_to": list(left), "not_before": now + wait, "last_result": result}
    if is_sent:
        values["sent_at"] = now
    finished = update(OutboxMessage).where(*lease.is_still_leased()).values(values).returning(OutboxMessage.id)
    return None if session.scalar(finished) is None else state


def tidy(session: Session, *, now: dt.datetime) -> None:
    """Give up what could not be tried in time, for example without a mail server."""
    untried = (OutboxMessage.state == OutboxState.DUE, OutboxMessage.queued_at < now - MAIL_EXPIRES_AFTER - LEASE)
    # A message that was tried gets its last try, unless its server was taken out of the settings.
    missed = and_(OutboxMessage.webhook_id.is_(None), OutboxMessage.not_before < now - RETRY_WAITS[-1])
    gone = update(OutboxMessage).where(*untried, or_(OutboxMessage.tries == 0, missed))
    session.execute(gone.values(state=OutboxState.GIVEN_UP))


def _is_sendable(now: dt.datetime) -> ColumnElement[bool]:
    return and_(_UNSENT, OutboxMessage.not_before <= now)


def _lease(message: OutboxMessage, life: dt.timedelta, *, now: dt.datetime) -> Lease:
    message.state, message.not_before = OutboxState.SENDING, now + life
    message.tries += 1
    return Lease(
        message.practice_id, message.id, message.webhook_id, message.tries, message.pending_to,
        message.queued_at + MAIL_EXPIRES_AFTER,
    )  # fmt: skip

"""Record an event, with the notices, the e-mails and the requests to webhooks that it causes, in one transaction.

So a crash loses none of them, and an event that is rolled back sends none. A worker sends the messages later
(`core.delivery.send`).
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.access.permissions import Action, roles_allowing
from core.enums.notices import EventKind, NoticeKind, OutboxState
from core.models.notices import Event, MailOptOut, Notice, OutboxMessage, Webhook
from core.models.people import User


def record_events(
    session: Session,
    kinds: Sequence[EventKind],
    facts: Mapping[str, Any],
    *,
    practice_id: int,
    job_id: int | None = None,
    now: dt.datetime,
) -> dict[EventKind, int]:
    """Record events with the same facts, queue them for the practice's webhooks, and return their ids by kind.

    `facts` are ids, codes, counts and cents in JSON. A second warning about one deadline is left out.
    """
    named = {"of_practice": practice_id, "now": now, "of_job": job_id, "facts": dict(facts)}
    rows = session.execute(_RECORD, {**named, "kinds": [kind.value for kind in kinds]})
    return {kind: event_id for event_id, kind in rows}


def _record_statement() -> Select[Any]:
    """Return the one statement that records events and queues them, built once: small jobs wait for it."""
    practice_id, now = bindparam("of_practice", type_=BigInteger), bindparam("now", type_=Event.at.type)
    kind = func.unnest(bindparam("kinds", type_=ARRAY(Text))).column_valued("kind")
    rows = select(
        practice_id, kind, now, bindparam("of_job", type_=BigInteger), bindparam("facts", type_=Event.facts.type)
    )
    event = insert_or_skip(Event).from_select(["practice_id", "kind", "at", "job_id", "facts"], rows)
    made = event.on_conflict_do_nothing().returning(Event.id, Event.kind).cte("made")
    subscribed = select(practice_id, Webhook.id, made.c.id, literal(OutboxState.DUE), now, now).where(
        *_wants(practice_id, cast(made.c.kind, Text))
    )
    columns = ["practice_id", "webhook_id", "event_id", "state", "queued_at", "not_before"]
    queued = insert(OutboxMessage).from_select(columns, subscribed, include_defaults=False).cte("queued")
    return select(made.c.id, made.c.kind).add_cte(queued)


def tell_webhooks(
    session: Session, kind: EventKind, facts: Mapping[str, Any], *, practice_id: int, now: dt.datetime
) -> None:
    """Record an event that gives no user a notice, if one of the practice's webhooks wants it."""
    if session.scalar(select(is_wanted(literal(practice_id, BigInteger), kind))):
        record_events(session, [kind], facts, practice_id=practice_id, now=now)


def is_wanted(practice_id: ColumnElement[int] | InstrumentedAttribute[int], kind: EventKind) -> ColumnElement[bool]:
    """Return, as SQL, whether a webhook of the practice gets this kind of event."""
    return exists().where(*_wants(practice_id, literal(kind.value)))


def _wants(practice_id: Any, kind: ColumnElement[str]) -> tuple[Any, ...]:
    return (
        Webhook.practice_id == practice_id,
        Webhook.deleted_at.is_(None),
        Webhook.active,
        Webhook.kinds.has_key(kind),
    )


_RECORD: Final = _record_statement()


def notify(
    session: Session,
    event_id: int,
    kind: NoticeKind,
    user_ids: Collection[int],
    *,
    practice_id: int,
    job_id: int | None = None,
    now: dt.datetime,
    by_mail: bool = True,
) -> None:
    """Give each of the users who is active and may see claims one notice of the event, and queue it as e-mail."""
    readers = select(
        literal(practice_id, BigInteger),
        literal(event_id, BigInteger),
        User.id,
        literal(kind),
        literal(job_id, BigInteger),
        literal(now),
    ).where(User.id.in_(user_ids), User.active, User.role.in_(roles_allowing(Action.SEE_CLAIMS)))
    columns = ["practice_id", "event_id", "user_id", "kind", "job_id", "created_at"]
    given = insert(Notice).from_select(columns, readers, include_defaults=False)
    if not by_mail:
        session.execute(given)
        return
    new = given.returning(Notice.id, Notice.user_id).cte("new")
    declined = exists().where(MailOptOut.user_id == new.c.user_id, MailOptOut.kind == kind)
    mails = select(literal(practice_id, BigInteger), new.c.id, literal(OutboxState.DUE), literal(now), literal(now))
    columns = ["practice_id", "notice_id", "state", "queued_at", "not_before"]
    session.execute(insert(OutboxMessage).from_select(columns, mails.where(~declined), include_defaults=False))


def resolve(session: Session, practice_id: int, *about: ColumnElement[bool], now: dt.datetime) -> None:
    """Mark the notices that asked users to act as read, and drop their unsent e-mails. `about` selects the notices."""
    asked = Notice.kind.in_((NoticeKind.APPROVAL, NoticeKind.EXPIRES))
    unread = (Notice.practice_id == practice_id, *about, Notice.read_at.is_(None), asked)
    resolved = session.scalars(update(Notice).where(*unread).values(read_at=now).returning(Notice.id)).all()
    if resolved:
        mails = (OutboxMessage.practice_id == practice_id, OutboxMessage.notice_id.in_(resolved))
        session.execute(delete(OutboxMessage).where(*mails, OutboxMessage.state == OutboxState.DUE))

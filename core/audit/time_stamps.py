"""Time stamps of links of the audit chain, by an authority outside. `core.delivery.time_stamps` asks for them."""

import datetime as dt

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as insert_or_skip
from sqlalchemy.orm import Session

from core.audit.log import Head
from core.audit.witness import Witnessed
from core.enums.notices import OutboxState
from core.models.notices import OutboxMessage
from core.models.people import TimeStamp


def queue(session: Session, practice_id: int, last: Head, *, now: dt.datetime) -> None:
    """Ask for a time stamp of this link, unless that was done before."""
    row = {"practice_id": practice_id, "number": last.number, "digest": last.digest}
    made = insert_or_skip(TimeStamp).values(row).on_conflict_do_nothing().returning(TimeStamp.id)
    stamp_id = session.scalar(made)
    if stamp_id is not None:
        message = {"practice_id": practice_id, "time_stamp_id": stamp_id, "state": OutboxState.DUE}
        session.execute(insert(OutboxMessage).values(**message, queued_at=now, not_before=now))


def stamped(session: Session, practice_id: int | None) -> list[Witnessed]:
    """Return the links with a time stamp, of the practice or of each practice."""
    found = select(TimeStamp).where(TimeStamp.answer.is_not(None)).order_by(TimeStamp.practice_id, TimeStamp.number)
    found = found if practice_id is None else found.where(TimeStamp.practice_id == practice_id)
    return [Witnessed(one.practice_id, Head(one.number, one.digest), one.answer) for one in session.scalars(found)]

"""Remove old messages, notices and events, a few in each round."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import and_, delete, exists, or_, select
from sqlalchemy.orm import Session, aliased

from core.enums.notices import EventKind, OutboxState
from core.models.notices import Event, Notice, OutboxMessage
from core.settings import load_settings

REMOVED_PER_ROUND_MAX: Final = 1_000  # of each kind

_ENDED: Final = OutboxMessage.state.in_((OutboxState.SENT, OutboxState.GIVEN_UP, OutboxState.WAITING))


def remove_old(session: Session, *, now: dt.datetime) -> None:
    """Remove messages that were sent, given up or never released, then notices, then events without either."""
    before = now - dt.timedelta(days=load_settings().message_days)
    _remove(session, OutboxMessage, _ENDED, OutboxMessage.queued_at < before)
    has_mail = _refers(OutboxMessage, OutboxMessage.notice_id, Notice)
    _remove(session, Notice, Notice.created_at < before, ~has_mail)
    is_used = or_(_refers(OutboxMessage, OutboxMessage.event_id, Event), _refers(Notice, Notice.event_id, Event))
    _remove(session, Event, Event.at < before, ~is_used, ~_is_newest_of_job())


def _refers(table: Any, column: Any, to: Any) -> Any:
    return exists().where(table.practice_id == to.practice_id, column == to.id).correlate(to)


def _is_newest_of_job() -> Any:
    """Return, as SQL, whether the event says what its job has posted so far. The next one is counted from it."""
    newer = aliased(Event, name="newer")
    of_job = (newer.practice_id == Event.practice_id, newer.job_id == Event.job_id, newer.kind == Event.kind)
    has_newer = exists().where(*of_job, newer.id > Event.id).correlate(Event)
    return and_(Event.kind == EventKind.POSTINGS_WRITTEN, ~has_newer)


def _remove(session: Session, table: Any, *old: Any) -> None:
    few = select(table.practice_id, table.id).where(*old).limit(REMOVED_PER_ROUND_MAX)
    picked = few.with_for_update(skip_locked=True).cte("picked")
    removed = delete(table).where(table.practice_id == picked.c.practice_id, table.id == picked.c.id)
    session.execute(removed.execution_options(synchronize_session=False))

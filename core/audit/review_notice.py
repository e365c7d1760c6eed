"""Notify administrators of the weekly review on Monday at 8:00 AM in the practice's time zone."""

import datetime as dt
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.access.permissions import Action, roles_allowing
from core.audit import review
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.models.notices import Event, EventKind, NoticeKind
from core.models.people import User
from core.models.practices import Practice
from core.notices.record import notify, record_events

log: Final = structlog.get_logger(__name__)

_DUE_AT: Final = dt.time(8)
_LATE_FOR: Final = dt.timedelta(days=1)  # after an outage that lasted longer, the review is only on its page
_APART: Final = dt.timedelta(days=6)  # so that a changed time zone makes no second notice


def tell_due(sessions: Sessions, *, now: dt.datetime) -> None:
    """Notify the administrators of each practice whose review is due. Any number of ticks may do this at once."""
    with transaction(sessions) as session:
        timeouts.set_timeouts(session)
        due = _due(session, now=now)
    for practice_id, at in due:
        try:
            with transaction(sessions) as session:
                timeouts.set_timeouts(session)
                _tell(session, practice_id, at, now=now)
        except Exception:  # one practice must not stop the others; the next tick tries again
            log.exception("weekly_review_failed", practice_id=practice_id)


def _due(session: Session, *, now: dt.datetime) -> list[tuple[int, dt.datetime]]:
    """Return the practices whose notice is due, and since when."""
    told = select(Event.practice_id, func.max(Event.at).label("at")).where(Event.kind == EventKind.REVIEW_READY)
    last = told.group_by(Event.practice_id).subquery()
    rows = session.execute(
        select(Practice.id, Practice.time_zone, Practice.created_at, last.c.at).outerjoin(
            last, last.c.practice_id == Practice.id
        )
    )
    found = []
    for practice_id, time_zone, created_at, told_at in rows:
        due_at = _last_monday(time_zone, now=now)
        if due_at is None or now - due_at > _LATE_FOR or created_at > due_at:
            continue
        if told_at is None or told_at < due_at - _APART:
            found.append((practice_id, due_at))
    return found


def _last_monday(time_zone: str, *, now: dt.datetime) -> dt.datetime | None:
    """Return the last Monday at 8:00 AM, or None if this machine does not know the time zone."""
    try:
        zone = ZoneInfo(time_zone)
    except ZoneInfoNotFoundError:
        return None
    local = now.astimezone(zone)
    at = dt.datetime.combine(local.date() - dt.timedelta(days=local.weekday()), _DUE_AT, zone)
    return at if at <= now else dt.datetime.combine(at.date() - dt.timedelta(days=7), _DUE_AT, zone)


def _tell(session: Session, practice_id: int, due_at: dt.datetime, *, now: dt.datetime) -> None:
    practice = session.get_one(Practice, practice_id)
    week = review.last_week(practice, now=due_at)
    facts = {"week": week.first_day.isoformat(), "findings": review.for_week(session, practice, week).total}
    # The index lets only one tick record it.
    made = record_events(session, [EventKind.REVIEW_READY], facts, practice_id=practice_id, now=due_at)
    if EventKind.REVIEW_READY not in made:
        return
    readers = select(User.id).where(
        User.practice_id == practice_id, User.active, User.role.in_(roles_allowing(Action.SEE_REVIEW))
    )
    users, event_id = session.scalars(readers).all(), made[EventKind.REVIEW_READY]
    notify(session, event_id, NoticeKind.REVIEW, users, practice_id=practice_id, now=now)

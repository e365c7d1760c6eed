"""Record what is due at a time of the practice's day: the weekly review, and the audit log's last entry.

The review is due on Monday at 8:00 AM, as a notice for administrators and approvers. The last entry is due every day at
6:00 AM, for webhooks, the witness file and the time-stamping authority. All carry the entry out of the database, so
that a rewritten chain no longer contains it.
"""

import datetime as dt
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.audit import review, time_stamps, witness
from core.audit.log import Head, head
from core.audit.witness import BadWitness, Witnessed
from core.db import timeouts
from core.db.engine import Sessions, transaction
from core.enums.notices import EventKind, NoticeKind
from core.models.notices import Event
from core.models.practices import Practice
from core.notices.record import is_wanted, notify, record_events
from core.settings import load_settings

log: Final = structlog.get_logger(__name__)


class _Regular(NamedTuple):
    kind: EventKind
    at: dt.time  # in the practice's time zone
    every: dt.timedelta  # a week: on Monday
    apart: dt.timedelta  # so that a changed time zone makes no second event


_WEEK: Final = dt.timedelta(days=7)
_DAY: Final = dt.timedelta(days=1)
REVIEW: Final = _Regular(EventKind.REVIEW_READY, dt.time(8), _WEEK, dt.timedelta(days=6))
LAST_ENTRY: Final = _Regular(EventKind.AUDIT_LAST_ENTRY, dt.time(6), _DAY, dt.timedelta(hours=12))
# After an outage that lasted longer, the review is only on its page. Time zones are up to 26 hours apart, so a user who
# changes the zone on Monday cannot make the review late.
_LATE_FOR: Final = dt.timedelta(hours=36)


def record_due(sessions: Sessions, *, now: dt.datetime) -> None:
    """Record each event that is due. Any number of ticks may do this at once."""
    with transaction(sessions) as session:
        timeouts.set_timeouts(session)
        due = [(one, *found) for one in (REVIEW, LAST_ENTRY) for found in _due(session, one, now=now)]
    for regular, practice_id, at in due:
        try:
            with transaction(sessions, practice_id) as session:
                timeouts.set_timeouts(session)
                _record(session, regular, practice_id, at, now=now)
        except Exception:  # one practice must not stop the others; the next tick tries again
            log.exception("regular_event_failed", practice_id=practice_id, kind=regular.kind.value)


def _due(session: Session, regular: _Regular, *, now: dt.datetime) -> list[tuple[int, dt.datetime]]:
    """Return the practices whose event is due, and since when."""
    recorded = select(Event.practice_id, func.max(Event.at).label("at")).where(Event.kind == regular.kind)
    last = recorded.group_by(Event.practice_id).subquery()
    rows = select(Practice.id, Practice.time_zone, Practice.created_at, last.c.at).outerjoin(
        last, last.c.practice_id == Practice.id
    )
    settings = load_settings()
    if regular.kind is EventKind.AUDIT_LAST_ENTRY and not (settings.timestamp_url or settings.witness_file):
        rows = rows.where(is_wanted(Practice.id, regular.kind))
    found = []
    for practice_id, time_zone, created_at, recorded_at in session.execute(rows):
        due_at = _last_time(regular, time_zone, now=now)
        if due_at is None or now - due_at > _LATE_FOR or created_at > due_at:
            continue
        if recorded_at is None or recorded_at < due_at - regular.apart:
            found.append((practice_id, due_at))
    return found


def _last_time(regular: _Regular, time_zone: str, *, now: dt.datetime) -> dt.datetime | None:
    """Return when the event was last due, or None if this machine does not know the time zone."""
    try:
        zone = ZoneInfo(time_zone)
    except ZoneInfoNotFoundError:
        return None
    local = now.astimezone(zone).date()
    day = local - dt.timedelta(days=local.weekday()) if regular.every == _WEEK else local
    at = dt.datetime.combine(day, regular.at, zone)
    return at if at <= now else dt.datetime.combine(day - regular.every, regular.at, zone)


def _record(session: Session, regular: _Regular, practice_id: int, due_at: dt.datetime, *, now: dt.datetime) -> None:
    practice, last = session.get_one(Practice, practice_id), head(session, practice_id)
    facts: dict[str, Any] = {"practice_id": practice_id, "number": last.number, "sha256": last.digest}
    if regular.kind is EventKind.REVIEW_READY:
        week = review.last_week(practice, now=due_at)
        found = review.for_week(session, practice, week)
        facts |= {"week": week.first_day.isoformat(), "findings": found.total}
        facts |= {"under_limit_cents": found.under_limit_cents}
    # The index lets only one tick record it.
    event_id = record_events(session, [regular.kind], facts, practice_id=practice_id, now=due_at).get(regular.kind)
    if event_id is not None and regular.kind is EventKind.AUDIT_LAST_ENTRY:
        _send_outside(session, practice_id, last, now=now)
    if event_id is None or regular.kind is not EventKind.REVIEW_READY:
        return
    readers = review.readers(session, practice_id)
    notify(session, event_id, NoticeKind.REVIEW, readers, practice_id=practice_id, now=now)


def _send_outside(session: Session, practice_id: int, last: Head, *, now: dt.datetime) -> None:
    settings = load_settings()
    if not last.number:
        return
    if settings.timestamp_url is not None:
        time_stamps.queue(session, practice_id, last, now=now)
    if settings.witness_file is not None:
        try:
            witness.append(settings.witness_file, [Witnessed(practice_id, last)], now=now)
        except (OSError, BadWitness):  # a full disk must not stop the other ways out
            log.exception("witness_file_failed", practice_id=practice_id)

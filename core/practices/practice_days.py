"""Dates in the practice's time zone."""

import datetime as dt
from zoneinfo import ZoneInfo

from core.models.practices import Practice


def day_bounds(practice: Practice, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return when a day of the practice begins and ends."""
    return day_begins(practice, day), day_begins(practice, day + dt.timedelta(days=1))


def day_begins(practice: Practice, day: dt.date) -> dt.datetime:
    """Return when a day of the practice begins."""
    return dt.datetime.combine(day, dt.time.min, ZoneInfo(practice.time_zone))


def today(practice: Practice, *, now: dt.datetime) -> dt.date:
    """Return the date at `now` in the practice's time zone."""
    return now.astimezone(ZoneInfo(practice.time_zone)).date()

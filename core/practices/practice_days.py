"""Dates in the practice's time zone."""

import datetime as dt
from zoneinfo import ZoneInfo

from core.models.practices import Practice


def day_bounds(practice: Practice, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """Return when a day of the practice begins and ends."""
    zone = ZoneInfo(practice.time_zone)
    begins, ends = (dt.datetime.combine(one, dt.time.min, zone) for one in (day, day + dt.timedelta(days=1)))
    return begins, ends


def today(practice: Practice, *, now: dt.datetime) -> dt.date:
    """Return the date at `now` in the practice's time zone."""
    return now.astimezone(ZoneInfo(practice.time_zone)).date()

"""Days as the practice counts them."""

import datetime as dt
from zoneinfo import ZoneInfo

from core.models.practices import Practice


def day_of(practice: Practice, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """When a day of the practice begins, and when the next does."""
    zone = ZoneInfo(practice.time_zone)
    begins, ends = (dt.datetime.combine(one, dt.time.min, zone) for one in (day, day + dt.timedelta(days=1)))
    return begins, ends


def today(practice: Practice, *, now: dt.datetime) -> dt.date:
    """The date at `now` in the practice's time zone."""
    return now.astimezone(ZoneInfo(practice.time_zone)).date()

"""Days as the practice counts them."""

import datetime as dt
from zoneinfo import ZoneInfo

from core.practices.models import Practice


def today(practice: Practice, *, now: dt.datetime) -> dt.date:
    """The date at `now` in the practice's time zone."""
    return now.astimezone(ZoneInfo(practice.time_zone)).date()

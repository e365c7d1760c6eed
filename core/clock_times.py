"""How a time of day and a time zone are written."""

import datetime as dt


def clock(at: dt.time | dt.datetime, *, seconds: bool = False) -> str:
    """Return, for example, "2:30 AM", or "2:30:05 AM" with `seconds`."""
    return f"{at:%I:%M:%S %p}".removeprefix("0") if seconds else f"{at:%I:%M %p}".removeprefix("0")


def zone_words(time_zone: str) -> str:
    """Return a time zone for people, for example, "America/New York"."""
    return time_zone.replace("_", " ")

"""How a time of day is written."""

import datetime as dt


def clock(at: dt.time | dt.datetime, *, seconds: bool = False) -> str:
    """Return, for example, "2:30 AM", or "2:30:05 AM" with `seconds`."""
    return f"{at:%I:%M:%S %p}".removeprefix("0") if seconds else f"{at:%I:%M %p}".removeprefix("0")

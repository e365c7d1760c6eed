"""How commands write the values of the API's answers."""

import datetime as dt
from typing import Final

import click

from core.cli.client import Api
from core.clock_times import clock
from core.money import format_limit

_API: Final = "core.cli.api"  # of the current command


def day(iso: str) -> str:
    """Return a date as MM/DD/YYYY."""
    return f"{dt.date.fromisoformat(iso):%m/%d/%Y}"


def through(iso: str | None, *, without: str = "") -> str:
    """Return the last day of a hold or an exclusion, or `without` if it has no end date."""
    return f"through {day(iso)}" if iso else without


def use_time_zone_of(api: Api) -> None:
    """Let `moment` write times in the time zone of this API's practice."""
    click.get_current_context().meta[_API] = api


def moment(iso: str) -> str:
    """Return a time as pages show it, in the practice's time zone, with the zone: 11/23/2026 9:14:02 AM EST."""
    at = dt.datetime.fromisoformat(iso).astimezone(click.get_current_context().meta[_API].time_zone)
    return f"{at:%m/%d/%Y} {clock(at, seconds=True)} {at:%Z}"


def utc(iso: str) -> str:
    """Return a time as commands on the server print it: 2026-11-23 15:04:05 UTC."""
    return f"{dt.datetime.fromisoformat(iso).astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def limit(value: int | str) -> str:
    """Return a limit in dollars, or the word unlimited."""
    return value if isinstance(value, str) else format_limit(value)


def password_link(link: str, *, expires: str, mailed: bool) -> str:
    """Return what to do with a link to set a password."""
    also = " A link was also e-mailed to the user." if mailed else ""
    return f"Send this link to the user securely. It works once, and expires on {expires}.{also}\n{link}"

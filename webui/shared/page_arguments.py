"""The arguments of a page's address."""

import datetime as dt
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

from flask import request, url_for

from core import reading
from core.money import BadAmount, parse_amount

Choice = TypeVar("Choice", bound=StrEnum)


def number(name: str) -> int | None:
    """Return the whole number in the address, or None if there is none."""
    return reading.number(request.args.get(name, ""))


def text(name: str) -> str | None:
    """Return the text in the address with single spaces, or None if there is none."""
    return " ".join(request.args.get(name, "").split()) or None


def one_of(kinds: type[Choice], name: str) -> Choice | None:
    """Return the chosen value in the address, or None if there is no known one."""
    text = request.args.get(name, "")
    return kinds(text) if text in set(kinds) else None


def day(name: str, faults: dict[str, str]) -> dt.date | None:
    """Return the date in the address, or None if there is none. Add a fault if it is not valid."""
    typed = request.args.get(name, "").strip()
    try:
        return reading.day(typed) if typed else None
    except ValueError:
        faults[name] = "Enter a date."
        return None


def cents(name: str, faults: dict[str, str]) -> int | None:
    """Return the amount in the address, or None if there is none. Add a fault if it is not valid."""
    typed = request.args.get(name, "").strip()
    try:
        return parse_amount(typed) if typed else None
    except BadAmount as fault:
        faults[name] = fault.message
        return None


def safe_next(wanted: str | None) -> str:
    """Return `wanted` if it is a path on this site, else the first page. Never return a different host."""
    if wanted and wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable():
        parts = urlsplit(wanted)
        if not parts.scheme and not parts.netloc and "\\" not in wanted:
            return wanted
    return url_for("home")

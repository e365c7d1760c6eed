"""The arguments of a page's address."""

from flask import request

from core import reading


def number(name: str) -> int | None:
    """Return the whole number in the address, or None if there is none."""
    return reading.number(request.args.get(name, ""))

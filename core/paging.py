"""Keyset pages. A query reads one more row than its page shows. The next page starts after the last row shown."""

import re
from collections.abc import Sequence
from typing import Final, TypeVar

from core.errors import BadInput

Row = TypeVar("Row")
_NUMBERS: Final = re.compile(r"\d{1,18}(\.\d{1,18})*", re.ASCII)


class BadCursor(BadInput):
    """This cursor is not valid. Start over from the first page."""


def write_cursor(*numbers: int) -> str:
    """Return the cursor for the page after the row with these numbers as its key."""
    return ".".join(map(str, numbers))


def read_cursor(cursor: str, *, numbers: int) -> tuple[int, ...]:
    """Return the key in a cursor. Raise `BadCursor` if it does not contain this many numbers."""
    key = tuple(map(int, cursor.split("."))) if _NUMBERS.fullmatch(cursor) else ()
    if len(key) != numbers:
        raise BadCursor
    return key


def cut(rows: Sequence[Row], limit: int) -> tuple[list[Row], Row | None]:
    """Return the first `limit` rows, and the last of them if there are more."""
    shown = list(rows[:limit])
    return shown, shown[-1] if len(rows) > limit else None

"""Keyset pages. A query reads one row more than its page shows, and the last row shown leads to the next page."""

from collections.abc import Sequence
from typing import TypeVar

Row = TypeVar("Row")


def cut(rows: Sequence[Row], limit: int) -> tuple[list[Row], Row | None]:
    """Return the first `limit` rows, and the last of them if there are more."""
    shown = list(rows[:limit])
    return shown, shown[-1] if len(rows) > limit else None

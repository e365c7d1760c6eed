"""The type of an invariant."""

from typing import NamedTuple


class Invariant(NamedTuple):
    """A sentence that must be true, and a query (one column: the subject) that finds the exceptions."""

    sentence: str
    sql: str


def of_practice(alias: str) -> str:
    """Return, as SQL, whether a row belongs to the practice being checked. It is always true if all are."""
    return f"(CAST(:practice_id AS bigint) IS NULL OR {alias}.practice_id = :practice_id)"

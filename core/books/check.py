"""The type of an invariant, and of a query that several invariants read."""

from typing import NamedTuple


class Screen(NamedTuple):
    """A query that reads the ledger once, and returns all that the invariants with `screen=` need to look at.

    It may return too much, but never too little. What it returns is empty or small in almost every practice, so each of
    its invariants costs next to nothing.
    """

    name: str  # the table that the invariants read
    sql: str


class Invariant(NamedTuple):
    """A sentence that must be true, and a query (one column: the subject) that finds the exceptions."""

    sentence: str
    sql: str
    screen: Screen | None = None


def of_practice(alias: str) -> str:
    """Return, as SQL, whether a row belongs to the practice being checked. It is always true if all are."""
    return f"(CAST(:practice_id AS bigint) IS NULL OR {alias}.practice_id = :practice_id)"

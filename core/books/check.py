"""What an invariant is."""

from typing import NamedTuple


class Invariant(NamedTuple):
    """A sentence that must be true, and the query (one column: the subject) that finds where it is not."""

    sentence: str
    sql: str


def of_practice(alias: str) -> str:
    """The condition that a row is of the practice that is asked about, or that all are."""
    return f"(CAST(:practice_id AS bigint) IS NULL OR {alias}.practice_id = :practice_id)"

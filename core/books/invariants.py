"""The invariants: queries that must return no row. `settle verify` runs all in one snapshot."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.books.invariants_sql import INVARIANTS

SUBJECTS_SHOWN_MAX: Final = 20  # rows listed for each invariant; the count covers all


@dataclass(frozen=True)
class Violation:
    """An invariant that is violated: how often, and the first rows that break it."""

    invariant: str
    sentence: str
    rows: int
    subjects: tuple[str, ...]  # for example "practice 1, claim 184146026, line 2"


def violations(session: Session, *, practice_id: int | None = None) -> list[Violation]:
    """Check every invariant, for one practice or for all. An empty list means that none is violated.

    Run in a REPEATABLE READ READ ONLY transaction, so that all queries see the same moment.
    """
    found = (_check_invariant(session, name, practice_id) for name in INVARIANTS)
    return [violation for violation in found if violation is not None]


def begin_snapshot(session: Session) -> None:
    """Make the new transaction a read-only snapshot."""
    # Not a statement, because one may set the practice before.
    session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
    # Sorting and hashing a million claims on disk would take twice as long.
    session.execute(text("SELECT set_config('work_mem', '256MB', true)"))
    # PostgreSQL has no statistics of a job that just ran. It expects a row or two and would compare all with all.
    session.execute(text("SELECT set_config('enable_nestloop', 'off', true)"))


def _check_invariant(session: Session, name: str, practice_id: int | None) -> Violation | None:
    invariant = INVARIANTS[name]
    counted = text(
        f"WITH broken(subject) AS ({invariant.sql}) "
        "SELECT count(*) OVER (), subject FROM broken ORDER BY subject LIMIT :named_max"
    )
    rows = session.execute(counted, {"practice_id": practice_id, "named_max": SUBJECTS_SHOWN_MAX}).all()
    if not rows:
        return None
    return Violation(name, invariant.sentence, rows[0][0], tuple(subject for _, subject in rows))

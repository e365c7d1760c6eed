"""What must hold at every instant: checks that must return no row. `settle verify` asks them all in one snapshot."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.books.invariants_sql import INVARIANTS

NAMED_MAX: Final = 20  # rows named for each invariant; the count is of all


@dataclass(frozen=True)
class Violation:
    """An invariant that does not hold: how often, and the first rows that break it."""

    invariant: str
    sentence: str
    rows: int
    subjects: tuple[str, ...]  # such as "practice 1, claim 184146026, line 2"


def violations(session: Session, *, practice_id: int | None = None) -> list[Violation]:
    """Ask every invariant, of one practice or of all; an empty list means that all hold.

    The session is to be in a REPEATABLE READ READ ONLY transaction, so that all see one moment.
    """
    found = (_ask(session, name, practice_id) for name in INVARIANTS)
    return [violation for violation in found if violation is not None]


def begin_snapshot(session: Session) -> None:
    """Make the transaction that begins here one moment, which changes nothing."""
    session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    # Sorting and hashing a practice of a million claims on disk would take twice as long.
    session.execute(text("SELECT set_config('work_mem', '256MB', true)"))
    # Of a job just run the database has no statistics: it expects a row or two and would compare all with all.
    session.execute(text("SELECT set_config('enable_nestloop', 'off', true)"))


def _ask(session: Session, name: str, practice_id: int | None) -> Violation | None:
    invariant = INVARIANTS[name]
    counted = text(
        f"WITH broken(subject) AS ({invariant.sql}) "
        "SELECT count(*) OVER (), subject FROM broken ORDER BY subject LIMIT :named_max"
    )
    rows = session.execute(counted, {"practice_id": practice_id, "named_max": NAMED_MAX}).all()
    if not rows:
        return None
    return Violation(name, invariant.sentence, rows[0][0], tuple(subject for _, subject in rows))

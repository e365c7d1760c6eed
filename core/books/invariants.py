"""The invariants: queries that must return no row. `settle verify` runs all in one snapshot."""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final, cast

from psycopg import Connection
from sqlalchemy import TextClause, text
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


def violations(session: Session, *, practice_id: int | None = None, beside: Session | None = None) -> list[Violation]:
    """Check every invariant, for one practice or for all. An empty list means that none is violated.

    Run in a REPEATABLE READ READ ONLY transaction, so that all queries see the same moment. A second session with the
    same snapshot shares the work.
    """
    statements = iter(_together())  # two threads may take the next one, because a list's iterator is not a generator

    def check_rest(session: Session) -> list[Violation]:
        return [violation for names in statements for violation in check(session, names, practice_id)]

    if beside is None:
        found = check_rest(session)
    else:
        connection = beside.connection().connection.driver_connection
        with ThreadPoolExecutor(1) as pool:
            second = pool.submit(check_rest, beside)
            try:
                found = check_rest(session)
            except BaseException:
                list(statements)  # leaves the other thread nothing to do
                cast("Connection", connection).cancel_safe()
                raise
            found += second.result()
    places = {name: place for place, name in enumerate(INVARIANTS)}
    return sorted(found, key=lambda violation: places[violation.invariant])


def begin_snapshot(session: Session) -> None:
    """Make the new transaction a read-only snapshot."""
    # Not a statement, because one may set the practice before.
    session.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
    _plan_for_many_rows(session)


def share_snapshot(session: Session, other: Session) -> None:
    """Make the new transaction of `other` see the same moment as the one of `session`."""
    exported = session.scalars(text("SELECT pg_export_snapshot()")).one()
    other.connection(execution_options={"isolation_level": "REPEATABLE READ", "postgresql_readonly": True})
    # The command takes no parameters. PostgreSQL made the text, of digits and dashes.
    other.execute(text(f"SET TRANSACTION SNAPSHOT '{exported}'"))
    _plan_for_many_rows(other)
    for one in (session, other):  # together, they use two cores without more processes
        one.execute(text("SELECT set_config('max_parallel_workers_per_gather', '0', true)"))


def _plan_for_many_rows(session: Session) -> None:
    # Sorting and hashing a million claims on disk would take twice as long.
    session.execute(text("SELECT set_config('work_mem', '256MB', true)"))
    # A scan that starts in the middle of a table returns postings in another order than that of their digests.
    session.execute(text("SELECT set_config('synchronize_seqscans', 'off', true)"))
    # PostgreSQL has no statistics of a job that just ran. It expects a row or two and would compare all with all.
    session.execute(text("SELECT set_config('enable_nestloop', 'off', true)"))


def _together() -> list[list[str]]:
    """Return the names of the invariants that one statement checks, because they read the same screen."""
    of_screen: dict[str, list[str]] = {}
    for name, invariant in INVARIANTS.items():
        of_screen.setdefault(invariant.screen.name if invariant.screen else name, []).append(name)
    return sorted(of_screen.values(), key=len, reverse=True)  # those with a screen take longest


def check(session: Session, names: Sequence[str], practice_id: int | None) -> list[Violation]:
    """Check some invariants that read the same screen, or none."""
    values = {"practice_id": practice_id, "named_max": SUBJECTS_SHOWN_MAX}
    rows = session.execute(_statement(tuple(names)), values).all()
    subjects = defaultdict[tuple[str, int], list[str]](list)
    for name, count, subject in rows:
        subjects[name, count].append(subject)
    return [
        Violation(name, INVARIANTS[name].sentence, count, tuple(shown)) for (name, count), shown in subjects.items()
    ]


@cache
def _statement(names: tuple[str, ...]) -> TextClause:
    screen = INVARIANTS[names[0]].screen
    read_once = f"{screen.name} AS MATERIALIZED ({screen.sql}), " if screen else ""
    broken = " UNION ALL ".join(f"SELECT '{name}', q.* FROM ({INVARIANTS[name].sql}) q" for name in names)
    return text(f"""
        WITH {read_once}broken(invariant, subject) AS ({broken})
        SELECT invariant, rows, subject FROM (
            SELECT *, count(*) OVER (PARTITION BY invariant) AS rows,
                   row_number() OVER (PARTITION BY invariant ORDER BY subject) AS place
            FROM broken
        ) b WHERE place <= :named_max ORDER BY invariant, place""")

"""What this process counted since it last told the database, by the names of `core.watch.metric_names`.

Counting costs no statement. `flush` adds everything to the table in one, with the heartbeat or before a scrape; what
a killed process had not told yet is lost, a few seconds of it.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from core.db.engine import Sessions, transaction
from core.jobs.execution.engine import Worked
from core.models.operations import Tally
from core.watch.metric_names import COUNTED

SUM: Final = "sum"  # of a histogram, beside its buckets
PLUS_INF: Final = "+Inf"


class Cell(NamedTuple):
    """What the table has a row for."""

    name: str
    label: str


_lock = threading.Lock()
_counted: defaultdict[Cell, float] = defaultdict(float)
# A statement that hangs must not hold up what counts. It does wait for the disk: a count that was told and that a crash
# of the server takes back would be read as a restart, and all of it be counted again.
BRIEFLY: Final = text("SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '3s', true)")


def count(name: str, label: str = "", by: int = 1) -> None:
    """Count `by` more; a label that the table does not foresee is counted as `other`."""
    if by:
        _add({Cell(name, COUNTED[name].known(label)): by})


def observe(name: str, seconds: float) -> None:
    """Put one duration into a histogram."""
    fits = next((str(bound) for bound in COUNTED[name].buckets if seconds <= bound), PLUS_INF)
    _add({Cell(name, fits): 1, Cell(name, SUM): seconds})


def count_work(worked: Worked) -> None:
    """Count what a worker did for a hint."""
    for seconds in worked.chunk_seconds:
        observe("chunk_seconds", seconds)
    for code, claims in worked.skipped.items():
        count("claims_skipped", code, claims)


def waiting() -> int:
    """How many cells wait to be told."""
    return len(_counted)


def flush(sessions: Sessions) -> None:
    """Add what was counted to the table; keep it where the database does not take it, and raise."""
    with _lock:
        told = dict(_counted)
        _counted.clear()
    if not told:
        return
    # In order: two processes that flush at once wait for each other instead of both giving up.
    rows = [{"name": cell.name, "label": cell.label, "value": value} for cell, value in sorted(told.items())]
    added = insert(Tally).values(rows)
    added = added.on_conflict_do_update(
        index_elements=[Tally.name, Tally.label], set_={"value": Tally.value + added.excluded.value}
    )
    try:
        with transaction(sessions) as session:
            session.execute(BRIEFLY)
            session.execute(added)
    except BaseException:
        _add(told)
        raise


def _add(counted: Mapping[Cell, float]) -> None:
    with _lock:
        for cell, value in counted.items():
            _counted[cell] += value


def _begin_anew() -> None:
    """In a forked child: what the parent counted is the parent's to tell, and its lock may be held by nobody here."""
    global _lock  # noqa: PLW0603  a lock that was held at the fork is never released in the child
    _lock = threading.Lock()
    _counted.clear()


os.register_at_fork(after_in_child=_begin_anew)

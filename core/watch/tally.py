"""Counters of this process that are not in the database yet, by the names in `core.watch.metric_names`.

Counting runs no statement. `flush` writes everything in one statement, with the heartbeat or before a scrape. A killed
process loses a few seconds of counts.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from core.db.engine import Sessions, transaction
from core.jobs.execution.engine import WorkResult
from core.models.operations import Tally
from core.watch.metric_names import METRIC_DEFINITIONS

SUM: Final = "sum"  # of a histogram, next to its buckets
PLUS_INF: Final = "+Inf"


class CounterKey(NamedTuple):
    """The key of a row."""

    name: str
    label: str


_lock = threading.Lock()
_counts: defaultdict[CounterKey, float] = defaultdict(float)
# A hanging statement must not block counting. It does wait for fsync: if a crash lost a committed count, Prometheus
# would see a counter reset and double-count.
SHORT_TIMEOUTS: Final = text(
    "SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '3s', true)"
)


def count(name: str, label: str = "", by: int = 1) -> None:
    """Count `by` more. An unknown label counts as `other`."""
    if by:
        _add({CounterKey(name, METRIC_DEFINITIONS[name].known(label)): by})


def observe(name: str, seconds: float) -> None:
    """Add one duration to a histogram."""
    fits = next((str(bound) for bound in METRIC_DEFINITIONS[name].buckets if seconds <= bound), PLUS_INF)
    _add({CounterKey(name, fits): 1, CounterKey(name, SUM): seconds})


def count_work(worked: WorkResult) -> None:
    """Count what a worker did for a hint."""
    for seconds in worked.chunk_seconds:
        observe("chunk_seconds", seconds)
    for code, claims in worked.skipped.items():
        count("claims_skipped", code, claims)


def unwritten_counters() -> int:
    """Return the number of counters that are not written yet."""
    return len(_counts)


def flush(sessions: Sessions) -> None:
    """Write the counts to the database. If that fails, keep them and raise."""
    with _lock:
        counts = dict(_counts)
        _counts.clear()
    if not counts:
        return
    # Sorted, so that two processes that flush at once wait for each other instead of deadlocking.
    rows = [{"name": cell.name, "label": cell.label, "value": value} for cell, value in sorted(counts.items())]
    added = insert(Tally).values(rows)
    added = added.on_conflict_do_update(
        index_elements=[Tally.name, Tally.label], set_={"value": Tally.value + added.excluded.value}
    )
    try:
        with transaction(sessions) as session:
            session.execute(SHORT_TIMEOUTS)
            session.execute(added)
    except BaseException:
        _add(counts)
        raise


def _add(counted: Mapping[CounterKey, float]) -> None:
    with _lock:
        for cell, value in counted.items():
            _counts[cell] += value


def _reset_after_fork() -> None:
    """Reset in a forked child: the counts are the parent's, and a thread that is gone may hold the lock."""
    global _lock  # noqa: PLW0603  a lock that was held at the fork is never released in the child
    _lock = threading.Lock()
    _counts.clear()


os.register_at_fork(after_in_child=_reset_after_fork)

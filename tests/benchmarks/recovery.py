"""What becomes of chunks whose process is killed, or whose worker is stopped, while another worker is idle."""

import os
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import psycopg

from core.settings import QUEUE_SETTLE
from tests.benchmarks import runs
from tests.benchmarks.claims import Practice, make_practice
from tests.benchmarks.measure import Row
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.workers import Worker

SECONDS_MAX: Final = 2.0
LOOK_SECONDS: Final = 0.002  # a chunk takes a tenth of a second
_OPEN: Final = "SELECT first_position, taken_by FROM job_chunk WHERE state = 'open' AND taken_by IS NOT NULL LIMIT 1"
_ATTEMPTS: Final = "SELECT attempts, state FROM job_chunk WHERE first_position = %s"
_EXTRA: Final = "SELECT sum(attempts) - count(*) FROM job_chunk"


class _Seen(NamedTuple):
    seconds: float | None  # until another process took the chunk; None if the first one still finished it
    extra: int  # attempts beyond one for each chunk


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return a row for each way to lose a process."""
    given = place.migrated("recovery")
    claims = max(10_000, sizes.settled // 5)
    practice = make_practice(place.url(given, superuser=True), name="Lakeside", claims=claims, now=runs.utc_now())
    ways: dict[str, Callable[[Worker, int], None]] = {
        "a process of a worker, SIGKILL": lambda _, pid: os.kill(pid, signal.SIGKILL),
        "a whole worker, SIGKILL": lambda worker, _: worker.kill(),
        "a worker, SIGTERM": lambda worker, _: worker.stop(),
    }
    return [_row(what, [_lose(place, given, practice, end) for _ in range(sizes.times)]) for what, end in ways.items()]


def _row(what: str, seen: list[_Seen]) -> Row:
    lost = [each.seconds for each in seen if each.seconds is not None]
    extra = max(each.extra for each in seen)
    shown = f"{statistics.median(lost):.2f} s, {extra} repeated" if lost else "it finishes its chunk"
    reached = not lost or statistics.median(lost) <= SECONDS_MAX
    return Row(f"{what}: until another process has its chunk", shown, "", "", f"at most {SECONDS_MAX:g} s", reached)


def _lose(place: Place, given: str, practice: Practice, end: Callable[[Worker, int], None]) -> _Seen:
    with (
        place.copy_of(given, "recovery_now") as database,
        runs.sessions_on(place.url(database)) as sessions,
        runs.crew(place, database) as crew,
        psycopg.connect(place.url(database, superuser=True), autocommit=True) as connection,
    ):
        beside = crew.workers.another(QUEUE_SETTLE, name="beside")
        beside.start()
        job = runs.preview(sessions, practice.biller)
        place.settle_down()
        runs.confirm(sessions, job, practice.biller)
        crew.hint(job)
        first, pid = _taken(connection)
        end(crew.workers.settle if os.getpgid(pid) == crew.workers.settle.pid else beside, pid)
        seconds = _taken_again(connection, first)
        runs.wait_for(sessions, job)
        extra = connection.execute(_EXTRA).fetchone()
    assert extra is not None
    return _Seen(seconds, int(extra[0]))


def _taken(connection: psycopg.Connection[Any]) -> tuple[int, int]:
    """Wait for a chunk that a process has just taken. Return its first position and the process id."""
    while True:
        row = connection.execute(_OPEN).fetchone()
        if row is not None:
            return row[0], int(row[1].rpartition(":")[2])
        time.sleep(LOOK_SECONDS)


def _taken_again(connection: psycopg.Connection[Any], first: int) -> float | None:
    """Return the seconds until another process takes the chunk, or None if the first one still finished it."""
    began = time.perf_counter()
    while True:
        row = connection.execute(_ATTEMPTS, [first]).fetchone()
        assert row is not None
        if row[0] > 1:
            return time.perf_counter() - began
        if row[1] == "done":
            return None
        time.sleep(LOOK_SECONDS)

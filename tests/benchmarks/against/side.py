"""One version's side of the comparison: this file runs with the code of either version.

It reads one request a line from standard input, such as {"act": "settle", "claims": 20000}, and answers each with a
line of JSON: seconds, and what else was measured. It uses only functions that both versions have.
"""

import inspect
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module, util
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

runs: Final = import_module("tests.benchmarks.runs")
claims_: Final = import_module("tests.benchmarks.claims")
measure: Final = import_module("tests.benchmarks.measure")
one_transaction: Final = import_module("tests.benchmarks.one_transaction")


def _first(*names: str) -> Any:
    """Return the first of these modules that this version has."""
    return import_module(next(name for name in names if _exists(name)))


def _exists(name: str) -> bool:
    try:
        return util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


places: Final = _first("tests.benchmarks.places", "tests.benchmarks.place")
files: Final = _first("core.jobs.results.files", "core.jobs.downloads")
reversals: Final = _first("core.jobs.reversal.create_reversal", "core.jobs.reversal")
# The values of its `StrEnum`, whose name differs.
SETTLED: Final = next(iter(files.COLUMN_HEADINGS if hasattr(files, "COLUMN_HEADINGS") else files.File))
SETTLE: Final = Path(sys.executable).with_name("settle")
# Kept by later versions only. The baseline of one transaction does not keep them.
SUMS_OFF: Final = """
DO $$ BEGIN IF EXISTS (SELECT FROM pg_trigger WHERE tgname = 'posting_is_summed') THEN
    ALTER TABLE posting DISABLE TRIGGER posting_is_summed; END IF; END $$"""
LOOK_SECONDS: Final = 0.05
WARM_JOBS: Final = 8  # by then, each of the two processes has compiled its statements


class Side:
    """The servers and the practices of this version."""

    def __init__(self, place: Any) -> None:
        """Keep the servers."""
        self._place = place
        self._given: dict[int, tuple[str, Any]] = {}
        self._big: tuple[str, Any, Any] | None = None

    def settle(self, claims: int, processes: int = 2) -> dict[str, Any]:
        """Settle everything in a copy, from CONFIRM to Completed. Measure the write-ahead log too."""
        with (
            self._copy(claims) as (database, practice),
            self._sessions(database) as sessions,
            runs.crew(self._place, database, processes=processes) as workers,
        ):
            job = runs.preview(sessions, practice.biller)
            self._place.settle_down()
            watch, written = measure.Watch(), self._log_bytes()
            runs.run(sessions, job, practice.biller, workers, watch)
            return {"seconds": watch.median, "log_bytes": self._log_bytes() - written}

    def by_hand(self, claims: int) -> dict[str, Any]:
        """Settle everything in a copy with the hand-written transaction."""
        with self._copy(claims) as (database, practice), self._sessions(database) as sessions:
            self._place.run_in(database, SUMS_OFF)
            job = runs.preview(sessions, practice.biller)
            runs.confirm(sessions, job, practice.biller)
            self._place.settle_down()
            return _timed(lambda: one_transaction.settle(self._place.url(database), job))

    def small(self, claims: int, of: int) -> dict[str, Any]:
        """Settle a few of `of` claims, from CONFIRM to Completed, when each process has run such jobs before."""
        with self._copy(of) as (database, practice), self._sessions(database) as sessions:
            numbers = runs.claim_numbers(sessions, practice.id, skipped=0, count=of)
            with runs.crew(self._place, database) as workers:
                watch = measure.Watch()
                for turn in range(of // claims):
                    chosen = {"claim_ids": numbers[turn * claims : (turn + 1) * claims]}
                    job = runs.preview(sessions, practice.biller, selection=chosen, key=f"small {turn}")
                    runs.run(sessions, job, practice.biller, workers, watch if turn >= WARM_JOBS else measure.Watch())
                return {"seconds": watch.median}

    def preview(self, claims: int) -> dict[str, Any]:
        """Preview everything, with totals and chunks."""
        database, practice = self._practice(claims)
        with self._sessions(database) as sessions:
            self._place.settle_down()
            timed = _timed(lambda: runs.preview(sessions, practice.biller, key=f"preview {time.time()}"))
        self._place.run_in(database, "TRUNCATE job_item, job_chunk")
        return timed

    def sample(self, claims: int) -> dict[str, Any]:
        """Create a practice with `settle sample` in an empty database."""
        database = self._place.migrated("sample")
        return self._command(database, "sample", "--claims", str(claims), "--practice", "Lakeside")

    def big(self, claims: int) -> dict[str, Any]:
        """Settle everything, and keep the database for `verify`, `file` and `reverse`."""
        database, practice = self._create(f"big_{claims}", claims, verifiable=True)
        with self._sessions(database) as sessions, runs.crew(self._place, database) as workers:
            job = runs.preview(sessions, practice.biller)
            self._place.settle_down()
            watch = measure.Watch()
            runs.run(sessions, job, practice.biller, workers, watch)
        self._big = database, practice, job
        return {"seconds": watch.median}

    def verify(self) -> dict[str, Any]:
        """Run `settle verify`."""
        return self._command(self._kept[0], "verify")

    def file(self, form: str) -> dict[str, Any]:
        """Read the whole settled file of the job."""
        database, _, job = self._kept
        write: Callable[..., Iterator[Any]] = files.csv_file if form == "csv" else files.xlsx_file
        now = {"now": runs.utc_now()} if "now" in inspect.signature(write).parameters else {}
        with self._sessions(database) as sessions, sessions() as session:
            return _timed(lambda: sum(len(piece) for piece in write(session, job, SETTLED, **now)))

    def reverse(self) -> dict[str, Any]:
        """Reverse the job, from CONFIRM to Completed."""
        database, practice, job = self._kept
        self._place.run_in(database, f"UPDATE app_user SET role = 'admin' WHERE id = {practice.biller.user_id}")
        by = replace(practice.biller, role=type(practice.biller.role)("admin"))
        with self._sessions(database) as sessions, runs.crew(self._place, database) as workers:
            of = {"claim_ids": None, "by": by, "idempotency_key": "reverse", "note": "x", "now": runs.utc_now()}
            with runs.transaction(sessions) as session:
                reversal = reversals.request_reversal(session, job, **of)
                key = runs.JobKey(reversal.practice_id, reversal.id)
            with runs.transaction(sessions) as session:
                runs.prepare.prepare(session, key, now=runs.utc_now())
            self._place.settle_down()
            watch = measure.Watch()
            runs.run(sessions, key, by, workers, watch)
            return {"seconds": watch.median}

    @property
    def _kept(self) -> tuple[str, Any, Any]:
        assert self._big is not None, "`big` comes first"
        return self._big

    def _practice(self, claims: int) -> tuple[str, Any]:
        if claims not in self._given:
            self._given[claims] = self._create(f"given_{claims}", claims)
        return self._given[claims]

    def _create(self, name: str, claims: int, *, verifiable: bool = False) -> tuple[str, Any]:
        database = self._place.migrated(name)
        make = claims_.make_practice
        also = {"verifiable": verifiable} if "verifiable" in inspect.signature(make).parameters else {}
        url = self._place.url(database, superuser=True)
        return database, make(url, name="Lakeside", claims=claims, now=runs.utc_now(), **also)

    @contextmanager
    def _copy(self, claims: int) -> Iterator[tuple[str, Any]]:
        given, practice = self._practice(claims)
        with self._place.copy_of(given, "copy") as database:
            yield database, practice

    def _sessions(self, database: str) -> Any:
        return runs.sessions_on(self._place.url(database))

    def _log_bytes(self) -> int:
        with psycopg.connect(self._place.url("postgres", superuser=True)) as connection:
            row = connection.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        assert row is not None
        return int(row[0])

    def _command(self, database: str, *words: str) -> dict[str, Any]:
        """Run a command of this version. Measure its time and its memory at most."""
        url = {"SETTLE_DATABASE_URL": self._place.url(database)}
        self._place.settle_down()
        began, most = time.perf_counter(), 0
        with subprocess.Popen([SETTLE, *words], env=os.environ | url, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT) as run:  # fmt: skip
            said: list[bytes] = []
            reader = threading.Thread(target=lambda: said.append(run.stdout.read() if run.stdout else b""))
            reader.start()
            looked = psutil.Process(run.pid)
            while run.poll() is None:
                most = max(most, looked.memory_info().rss)
                time.sleep(LOOK_SECONDS)
            reader.join()
        assert run.returncode == 0, said
        return {"seconds": time.perf_counter() - began, "memory_bytes": most}


def _timed(work: Callable[[], object]) -> dict[str, Any]:
    began = time.perf_counter()
    work()
    return {"seconds": time.perf_counter() - began}


def main() -> None:
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    with places.running() as place:
        side = Side(place)
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(getattr(side, request.pop("act"))(**request)), file=answers, flush=True)


if __name__ == "__main__":
    main()

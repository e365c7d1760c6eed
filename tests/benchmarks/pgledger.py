"""`python -m tests.benchmarks.pgledger FOLDER`: write-offs of a job beside transfers of pgledger, in turn.

FOLDER is a checkout of github.com/pgr0ss/pgledger. Two processes each post 200 transfers in a transaction. Each
transfer has two accounts of its own. That favors pgledger, because it updates an account's row for each transfer.
"""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import func, select

from core.models.ledger import Posting
from tests.benchmarks import places, runs
from tests.benchmarks.claims import make_practice
from tests.benchmarks.measure import Watch
from tests.benchmarks.places import Place

CLAIMS: Final = 100_000  # of the job
TRANSFERS: Final = 40_000
BATCH: Final = 200
PROCESSES: Final = 2
TIMES: Final = 3
SCHEMA: Final = (
    "vendor/scoville-pgsql-ulid/ulid-to-uuid.sql",
    "vendor/scoville-pgsql-ulid/uuid-to-ulid.sql",
    "pgledger.sql",
)
_ACCOUNTS: Final = """
    SELECT (pgledger_create_account('claim ' || n, 'USD')).id, (pgledger_create_account('write-off ' || n, 'USD')).id
    FROM generate_series(1, %s) n"""
_TRANSFERS: Final = """
    SELECT count(*) FROM pgledger_create_transfers((SELECT array_agg((claim, write_off, 12.34)::transfer_request)
        FROM unnest(%s::text[], %s::text[]) AS accounts (claim, write_off)))"""


def main(folder: Path) -> None:
    """Print a line for each, and the ratio."""
    ours, theirs = Watch(), Watch()
    with places.running() as place:
        print(place.settings(), flush=True)
        given = place.migrated("given")
        practice = make_practice(place.url(given, superuser=True), name="Lakeside", claims=CLAIMS, now=runs.utc_now())
        for _ in range(TIMES):
            with place.copy_of(given, "ours") as database:
                url = place.url(database)
                with runs.sessions_on(url) as sessions, runs.crew(place, database, processes=PROCESSES) as workers:
                    job = runs.preview(sessions, practice.biller)
                    place.settle_down()
                    runs.run(sessions, job, practice.biller, workers, ours)
                    with sessions() as session:
                        of_job = select(func.count()).select_from(Posting).where(Posting.job_id == job.job_id)
                        write_offs = session.scalars(of_job).one()
            theirs.seconds.append(_transfers(place, folder))
    mine, other = write_offs / ours.median, TRANSFERS / theirs.median
    print(f"write-offs of a job of {CLAIMS:,} claims: {mine:,.0f}/s")
    print(f"transfers of pgledger: {other:,.0f}/s")
    print(f"{mine / other:.1f} ×")


def _transfers(place: Place, folder: Path) -> float:
    """Return the seconds that pgledger takes for all transfers in a new database."""
    place.empty("pgledger")
    url = place.url("pgledger", superuser=True)
    with psycopg.connect(url) as connection:
        for name in SCHEMA:
            connection.execute((folder / name).read_bytes())
        accounts: list[tuple[str, str]] = connection.execute(_ACCOUNTS, [TRANSFERS]).fetchall()
    # Not the empty tables: PostgreSQL would read all of a table that was empty at its last VACUUM for each foreign key.
    place.run_in("pgledger", "VACUUM ANALYZE pgledger_accounts")
    place.settle_down()
    shares = [accounts[number::PROCESSES] for number in range(PROCESSES)]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as processes:
        list(processes.map(_connect, [url] * PROCESSES))  # start both before the watch
        begun = time.perf_counter()
        list(processes.map(_transfer, [url] * PROCESSES, shares))
        return time.perf_counter() - begun


def _connect(url: str) -> None:
    psycopg.connect(url).close()


def _transfer(url: str, accounts: list[tuple[str, str]]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for first in range(0, len(accounts), BATCH):
            connection.execute(_TRANSFERS, [list(side) for side in zip(*accounts[first : first + BATCH], strict=True)])


if __name__ == "__main__":
    main(Path(sys.argv[1]))

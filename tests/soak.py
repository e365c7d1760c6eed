"""`make soak MINUTES=…`: jobs run while accidents happen at random; then the books are proved, and it says what came.

Its own servers, on this machine alone; it stops by itself after the minutes it was given.
"""

import argparse
import collections
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text

from core.db.engine import make_engine
from core.jobs.models import JobStatus
from tests.acceptance.product import Product, utc_now
from tests.given import GivenPractice
from tests.servers import broker_client, running_servers
from tests.waiting import eventually
from tests.workers import running_workers

CLAIMS = 2_000
CHUNK_CLAIMS = 10
JOB_SECONDS = 600
BETWEEN_ACCIDENTS_SECONDS = (0.1, 1.5)


def accidents(product: Product) -> dict[str, Callable[[], None]]:
    """What may happen, by name."""

    def kill_the_workers() -> None:
        product.workers.kill()
        product.workers.keep_up()

    def freeze_a_worker() -> None:
        product.workers.settle.freeze()
        time.sleep(random.uniform(0.5, 4))
        product.workers.settle.thaw()

    def forget_every_hint() -> None:
        broker_client(product.broker_url).flushall()

    def cut_every_connection() -> None:
        with product.engine.connect() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user"
                )
            )

    def cut_the_brokers_connections() -> None:
        broker_client(product.broker_url).execute_command("CLIENT KILL TYPE normal")

    return {
        "workers killed": kill_the_workers,
        "worker frozen": freeze_a_worker,
        "hints forgotten": forget_every_hint,
        "database connections cut": cut_every_connection,
        "broker connections cut": cut_the_brokers_connections,
    }


def main() -> int:
    """Run until the minutes are over; exit 1 as soon as the books are wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    random.seed(given.seed)
    print(f"Soaking for {given.minutes:g} minutes, seed {given.seed}.")
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        running_servers() as (databases, broker),
        databases.fresh() as url,
        running_workers(folder=Path(folder), database_url=url, broker_url=broker.url) as workers,
    ):
        engine = make_engine(url)
        survived = _soak(Product(engine, url, broker.url, workers), until=time.monotonic() + 60 * given.minutes)
        engine.dispose()
    for what, times in sorted(survived.items()):
        print(f"{times:>8,}  {what}")
    return 0


def _soak(product: Product, *, until: float) -> collections.Counter[str]:
    survived: collections.Counter[str] = collections.Counter()
    happening = accidents(product)
    while time.monotonic() < until:
        practice = product.practice(claims=CLAIMS)
        job = product.confirm(practice, chunk_claims=CHUNK_CLAIMS)
        ends = time.monotonic() + JOB_SECONDS
        while practice.progress(job, now=utc_now()).status is not JobStatus.COMPLETED:
            assert time.monotonic() < ends, practice.progress(job, now=utc_now())
            name = random.choice(list(happening))
            happening[name]()
            survived[name] += 1
            product.workers.keep_up()
            product.hint(job)
            time.sleep(random.uniform(*BETWEEN_ACCIDENTS_SECONDS))
        survived["jobs"] += 1
        survived["claims settled"] += _proved(practice, practice.counts(job))
        print(f"job {job.job_id}: {practice.counts(job)}, books right")
    return survived


def _proved(practice: GivenPractice, counts: dict[str, int]) -> int:
    found = eventually(lambda: [practice.violations()], seconds=30)
    assert found == [[]], found
    assert counts["remaining"] == 0
    return counts["settled"]


if __name__ == "__main__":
    sys.exit(main())

"""A backup taken while a job runs is consistent. After a restore, the books are right and the job continues there."""

import subprocess
from pathlib import Path

from sqlalchemy import make_url

from core.db.engine import make_engine, make_sessions
from core.enums.jobs import JobStatus
from core.local import binaries, unprivileged
from core.local.broker import Broker
from tests.acceptance.product import PATIENCE_SECONDS, Product, running_product, utc_now
from tests.factories import GivenPractice
from tests.roles import as_superuser
from tests.servers import Databases
from tests.waiting import eventually


def _run(program: str, url: str, *words: str | Path) -> None:
    """Run one of PostgreSQL's programs on the database at `url`."""
    where = make_url(url)
    folder = Path(str(where.query["host"])).parent
    place = unprivileged.choose_location(binaries.find_postgres(), folder)
    connect = [f"--host={where.query['host']}", f"--username={where.username}", f"--dbname={where.database}"]
    done = subprocess.run(
        [place.binaries / program, *connect, *words], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_job_in_a_restored_dump_settles_once_and_the_books_balance(
    product: Product, servers: tuple[Databases, Broker], tmp_path: Path
) -> None:
    practice = product.practice(claims=8)
    dump = tmp_path / "settle.dump"
    with product.hold_line(practice, "C00005"):
        job = product.confirm(practice, chunk_claims=2)
        product.hint(job, times=2)
        eventually(lambda: practice.progress(job, now=utc_now()).settled >= 4, seconds=PATIENCE_SECONDS)
        _run("pg_dump", as_superuser(product.database_url), "--format=custom", f"--file={dump}")
    product.assert_all_settled(practice, job)

    databases, broker = servers
    with databases.empty() as url:
        _run("pg_restore", url, "--no-owner", "--exit-on-error", dump)
        engine = make_engine(url)
        try:
            restored = GivenPractice(make_sessions(engine), practice.id, practice.biller)
            before = restored.progress(job, now=utc_now())
            assert before.status is JobStatus.RUNNING
            assert 4 <= before.settled < before.total
            assert restored.violations() == []

            with running_product(folder=tmp_path, database_url=url, broker_url=broker.url) as elsewhere:
                elsewhere.assert_all_settled(restored, job)
            assert restored.write_offs("C00005") == [(1, "insurance", -1_000), (1, "patient", -500)]
        finally:
            engine.dispose()

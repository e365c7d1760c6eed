"""What row-level security costs a worker: processor time of settling in its role, against the owner's without it."""

import time
from typing import NoReturn

import psutil
import structlog
from sqlalchemy import text

from core.jobs.execution import engine as chunks
from tests.benchmarks import runs
from tests.benchmarks.claims import make_practice
from tests.benchmarks.measure import Row, Watch, ms
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.roles import as_worker

CHUNK_CLAIMS = 1_000
WITHOUT_POLICIES = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relrowsecurity LOOP
        EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', name);
    END LOOP;
END $$"""


def _drop(*_: object) -> NoReturn:
    raise structlog.DropEvent


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return the row of the table. The load of other programs does not count, because it compares processor time."""
    structlog.configure(processors=[_drop])
    given = place.migrated("row_security")
    superuser = place.url(given, superuser=True)
    practice = make_practice(superuser, name="Lakeside", claims=sizes.settled, now=runs.utc_now())
    with runs.sessions_on(place.url(given)) as sessions:
        job = runs.preview(sessions, practice.biller)
        runs.confirm(sessions, job, practice.biller)
    watches = {"worker": Watch(), "owner": Watch()}
    for turn in range(2 * sizes.times):
        for role in sorted(watches, reverse=bool(turn % 2)):
            with place.copy_of(given, f"settled_by_{role}") as database:
                url = place.url(database)
                if role == "owner":
                    place.run_in(database, WITHOUT_POLICIES)
                watches[role].seconds.append(_settle(as_worker(url) if role == "worker" else url))
    product, baseline = (watches[role].median * CHUNK_CLAIMS / sizes.settled for role in ("worker", "owner"))
    ratio = product / baseline
    return [
        Row("processor time of a chunk, as a worker / as the owner without row-level security", ms(product),
            ms(baseline), f"{ratio:.3f} ×", "at most 1.03 ×", ratio <= 1.03)
    ]  # fmt: skip


def _settle(url: str) -> float:
    """Settle everything. Return the processor time of this process and of its connection's server process."""
    with runs.sessions_on(url) as sessions:
        with sessions() as session:
            server = psutil.Process(session.scalar(text("SELECT pg_backend_pid()")))
        before = time.process_time() + sum(server.cpu_times()[:2])
        while chunks.work(sessions, worker="bench", clock=runs.utc_now).chunks:
            pass
        return time.process_time() + sum(server.cpu_times()[:2]) - before

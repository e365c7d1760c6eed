"""Settling with the product's two workers against one SQL transaction, a task per claim, and chunks by an ORM."""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from celery import Celery
from sqlalchemy import func, select

from core.db.engine import Sessions, make_engine, make_sessions
from core.jobs.keys import JobKey
from core.local.guardian import StopPolicy
from core.models.job_items import JobItem
from core.settings import BROKER_TRANSPORT_OPTIONS
from tests.benchmarks import one_transaction, orm, runs
from tests.benchmarks.claims import Practice, make_practice
from tests.benchmarks.measure import Row, Watch, per_second
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes

HOT_TABLES = ("job_item", "line_item")
CHUNK_CLAIMS = 1_000
# The baselines do not keep the sums of the write-offs report, so that the comparison favors them.
WITHOUT_SUMS = "ALTER TABLE posting DISABLE TRIGGER posting_is_summed"


def rows(place: Place, sizes: Sizes) -> list[Row]:
    """Return the first five rows of the table."""
    given = place.migrated("settling")
    practice = make_practice(
        place.url(given, superuser=True), name="Lakeside", claims=sizes.settled, now=runs.utc_now()
    )
    product, unchained, by_hand, hot = Watch(), Watch(), Watch(), dict[str, float]()

    def with_the_chain() -> None:
        with place.copy_of(given, "by_workers") as database:
            hot.update(_by_workers(place, database, practice, product))

    def without_it() -> None:
        with place.copy_of(given, "unchained") as database:
            place.run_in(database, "ALTER TABLE audit_entry DISABLE TRIGGER audit_is_chained")
            _by_workers(place, database, practice, unchained)

    def in_one_transaction() -> None:
        with place.copy_of(given, "by_hand") as database:
            place.run_in(database, WITHOUT_SUMS)
            _by_hand(place, database, practice, by_hand)

    turns = [with_the_chain, without_it, in_one_transaction]
    for _ in range(sizes.times):
        for turn in turns:
            turn()
        turns.append(turns.pop(0))  # so that load from other programs affects all equally, and the first place rotates
    rate = sizes.settled / product.median
    return [
        _against(f"settling {sizes.settled:,} claims, two workers / one SQL transaction", sizes.settled, product,
                 sizes.settled, by_hand, at_least=1.0),
        _against("… with the audit's chain / without it", sizes.settled, product,
                 sizes.settled, unchained, at_least=0.95),
        _slow(place, sizes.by_task, "a Celery task and ORM session per claim", _by_task, rate, at_least=50),
        _slow(place, sizes.by_orm_chunk, "an ORM loop per chunk, two processes", _by_orm_chunk, rate, at_least=8),
        Row("HOT updates of items and lines", ", ".join(f"{name} {share:.1%}" for name, share in sorted(hot.items())),
            "", "", "95 %", min(hot.values()) >= 0.95),
    ]  # fmt: skip


def _against(what: str, claims: int, product: Watch, baseline_claims: int, baseline: Watch, *, at_least: float) -> Row:
    ratio = (claims / product.median) / (baseline_claims / baseline.median)
    shown = f"{ratio:.2f} ×"
    return Row(
        what, per_second(claims, product.median), per_second(baseline_claims, baseline.median), shown,
        f"{at_least:g} ×", ratio >= at_least,
    )  # fmt: skip


def _by_workers(place: Place, database: str, practice: Practice, watch: Watch) -> dict[str, float]:
    url = place.url(database)
    with runs.sessions_on(url) as sessions, runs.crew(place, database) as workers:
        job = runs.preview(sessions, practice.biller)
        place.settle_down()
        runs.run(sessions, job, practice.biller, workers, watch)
        return runs.hot_updates(url, *HOT_TABLES)


def _by_hand(place: Place, database: str, practice: Practice, watch: Watch) -> None:
    url = place.url(database)
    with runs.sessions_on(url) as sessions:
        job = runs.preview(sessions, practice.biller)
        runs.confirm(sessions, job, practice.biller)
    place.settle_down()
    with watch.running():
        one_transaction.settle(url, job)


def _slow(place, claims, what, settle, rate, *, at_least) -> Row:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Return the row of one of the two slow baselines. It settles fewer claims, so compare the rates."""
    given = place.migrated("slow")
    place.run_in(given, WITHOUT_SUMS)
    practice = make_practice(place.url(given, superuser=True), name="Hillside", claims=claims, now=runs.utc_now())
    watch = Watch()
    with runs.sessions_on(place.url(given)) as sessions:
        job = runs.preview(sessions, practice.biller)
        runs.confirm(sessions, job, practice.biller)
        place.settle_down()
        settle(place, given, sessions, job, claims, watch)
        assert _undone(sessions, job) == 0
    ratio = rate / (claims / watch.median)
    return Row(
        f"… against {what} ({claims:,} claims)", f"{rate:,.0f} claims/s", per_second(claims, watch.median),
        f"{ratio:.1f} ×", f"{at_least} ×", ratio >= at_least,
    )  # fmt: skip


def _by_task(place: Place, database: str, sessions: Sessions, job: JobKey, claims: int, watch: Watch) -> None:
    environment = {
        **os.environ,
        "SETTLE_DATABASE_URL": place.url(database),
        "SETTLE_BROKER_URL": place.broker_url,
        "TMPDIR": str(place.folder),
    }
    words = [sys.executable, "-m", "celery", "--quiet", "--app", "tests.benchmarks.orm", "worker"]
    options = ["--concurrency", "2", "--loglevel", "INFO", "--without-mingle", "--without-gossip"]
    log = place.folder / "one-by-one.log"
    worker = place.guardian.start([*words, *options], log=log, env=environment, ending=StopPolicy())
    try:
        while " ready." not in (log.read_text() if log.exists() else ""):
            time.sleep(runs.LOOK_SECONDS)
        with Celery(broker=place.broker_url) as app, watch.running():
            app.conf.update(broker_transport_options=BROKER_TRANSPORT_OPTIONS, task_ignore_result=True)
            for position in range(1, claims + 1):
                app.send_task(orm.TASK, args=(*job, position), queue=orm.QUEUE)
            while _undone(sessions, job):
                time.sleep(5 * runs.LOOK_SECONDS)
    finally:
        worker.kill()


def _by_orm_chunk(place: Place, database: str, _: Sessions, job: JobKey, claims: int, watch: Watch) -> None:
    url = place.url(database)
    chunks = [(url, job, first, first + CHUNK_CLAIMS - 1) for first in range(1, claims + 1, CHUNK_CLAIMS)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        list(processes.map(time.sleep, [0.1, 0.1]))  # both processes exist before the watch starts
        with watch.running():
            list(processes.map(_orm_chunk, chunks))


def _orm_chunk(chunk: tuple[str, JobKey, int, int]) -> None:
    url, job, first, last = chunk
    engine = make_engine(url, pool_size=1)
    orm.settle_positions(make_sessions(engine), job, first, last)
    engine.dispose()


def _undone(sessions: Sessions, job: JobKey) -> int:
    undone = select(func.count()).select_from(JobItem).where(*job.of(JobItem), JobItem.outcome.is_(None))
    with sessions() as session:
        return session.scalars(undone).one()

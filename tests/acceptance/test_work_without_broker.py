"""Jobs run from CONFIRM to their end while the broker accepts no hint because it is dead, full or frozen."""

import datetime as dt
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from sqlalchemy import select

from core.db.engine import transaction
from core.enums.job_items import ChunkState
from core.enums.jobs import JobStatus
from core.jobs.keys import JobKey
from core.local.broker import Broker
from core.models.schedules import ScheduleRun
from core.settings import Settings
from core.watch import heartbeat, statistics
from core.watch.heartbeat import WORKER
from tests import alerting
from tests.acceptance.own_broker import OwnBroker, own_broker
from tests.acceptance.product import PATIENCE_SECONDS, Product, running_product, utc_now
from tests.acceptance.test_scheduled_runs import due_now
from tests.factories import GivenPractice
from tests.processes import children_of
from tests.roles import as_web
from tests.servers import Databases
from tests.waiting import eventually
from webui.app import create_app

Trouble = Callable[[OwnBroker], AbstractContextManager[None]]

TROUBLES = {"dead": OwnBroker.killed, "full": OwnBroker.full, "frozen": OwnBroker.frozen}
WRITTEN_OFF = [(1, "insurance", -1_000), (1, "patient", -500)]

each_trouble = pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """Yield a broker that the tests of this module may damage."""
    with own_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def product(databases: Databases, broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Yield the product on that broker. No test depends on beat."""
    folder = tmp_path_factory.mktemp("product")
    with (
        databases.fresh() as url,
        running_product(folder=folder, database_url=url, broker_url=broker.url) as product,
    ):
        product.beats = False
        yield product


@each_trouble
def test_a_job_runs_to_its_end_without_the_broker_and_later_hints_repeat_nothing(
    product: Product, broker: OwnBroker, trouble: Trouble
) -> None:
    practice = product.practice(claims=24)
    with trouble(broker):
        job = product.confirm(practice, chunk_claims=2)

        product.assert_all_settled(practice, job)

    product.hint(job, times=5)
    later = product.confirm(practice, *practice.claims(2, first=25), key="later")
    product.assert_all_settled(practice, later)
    assert [practice.write_offs(f"C{number:05d}") for number in range(1, 27)] == [WRITTEN_OFF] * 26


@each_trouble
def test_a_job_runs_to_its_end_when_the_broker_fails_mid_job(
    product: Product, broker: OwnBroker, trouble: Trouble
) -> None:
    practice = product.practice(claims=24)
    with product.worker_at_line(practice, "C00003", chunk_claims=2, hints=6) as (job, line), trouble(broker):
        line.release()

        product.assert_all_settled(practice, job)
    assert practice.write_offs("C00003") == WRITTEN_OFF


@each_trouble
def test_a_worker_started_without_the_broker_works_sweeps_and_sends_heartbeats(
    product: Product, broker: OwnBroker, trouble: Trouble
) -> None:
    practice = product.practice(claims=6)
    worker = product.workers.settle
    product.workers.stop()
    with trouble(broker):
        job = product.confirm(practice, chunk_claims=2)
        worker.begin()

        product.assert_all_settled(practice, job)

        def lives() -> bool:
            with product.sessions() as session:
                living = heartbeat.alive(session, now=utc_now())
            return worker.pid in {one.details["pid"] for one in living if one.kind == WORKER}

        eventually(lives, seconds=PATIENCE_SECONDS)
        started = utc_now()
        eventually(lambda: _last_tick(product) > started, seconds=PATIENCE_SECONDS)
        assert worker.is_running()
    worker.wait_until_ready()
    product.workers.control.start()


def _last_tick(product: Product) -> dt.datetime:
    with product.sessions() as session:
        return heartbeat.last_tick(session) or dt.datetime.min.replace(tzinfo=dt.UTC)


@each_trouble
def test_a_large_preview_is_prepared_and_runs_without_the_broker(
    product: Product, broker: OwnBroker, trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs.preview.create_preview.PREVIEW_IN_REQUEST_CLAIMS_MAX", 2)
    practice = product.practice(claims=6)
    with trouble(broker):
        job = product.preview(practice)
        assert practice.progress(job).status is JobStatus.PREPARING
        eventually(lambda: practice.progress(job).status is JobStatus.PREVIEWED, seconds=PATIENCE_SECONDS)
        practice.confirm(job, now=utc_now())

        product.assert_all_settled(practice, job)


@each_trouble
def test_a_scheduled_run_starts_and_settles_without_the_broker(
    product: Product, broker: OwnBroker, trouble: Trouble
) -> None:
    practice = product.practice(claims=4)
    with trouble(broker):
        due_now(practice)

        def run() -> ScheduleRun | None:
            with practice.sessions() as session:
                return session.scalar(select(ScheduleRun).where(ScheduleRun.practice_id == practice.id))

        begun = eventually(run, seconds=PATIENCE_SECONDS)
        assert begun is not None
        assert begun.job_id is not None
        product.assert_all_settled(practice, JobKey(practice.id, begun.job_id))


@each_trouble
def test_a_worker_stopped_without_the_broker_finishes_its_chunk_and_fails_no_claim(
    product: Product, broker: OwnBroker, trouble: Trouble
) -> None:
    practice = product.practice(claims=9)
    job = product.preview(practice, chunk_claims=3)
    worker = product.workers.settle
    with (
        trouble(broker),
        product.hold_line(practice, "C00002") as line,
        product.hold_chunk(job, first=4),
        product.hold_chunk(job, first=7),
    ):
        practice.confirm(job, now=utc_now())
        line.wait_for_a_worker()

        os.kill(worker.pid, signal.SIGTERM)
        eventually(lambda: "Warm shutdown" in worker.log_since_start(), seconds=PATIENCE_SECONDS)
        line.release()

        eventually(lambda: not worker.is_running(), seconds=PATIENCE_SECONDS)
        assert practice.counts(job) == {"settled": 3, "skipped": 0, "failed": 0, "remaining": 6}
        attempts = [(chunk.state, chunk.attempts) for chunk in product.chunks(job)]
        assert attempts == [(ChunkState.DONE, 1), (ChunkState.OPEN, 0), (ChunkState.OPEN, 0)]

    worker.start_again()
    product.assert_all_settled(practice, job)


def test_every_chunk_is_settled_after_a_pool_process_is_killed_while_the_broker_is_dead(
    product: Product, broker: OwnBroker
) -> None:
    practice = product.practice(claims=6)
    with broker.killed():
        with product.hold_line(practice, "C00001") as line:
            job = product.confirm(practice, chunk_claims=2)
            line.wait_for_a_worker()
            product.kill_worker_of(job)

        product.assert_all_settled(practice, job)


def test_a_worker_whose_pool_is_killed_while_the_broker_is_dead_is_replaced(
    product: Product, broker: OwnBroker
) -> None:
    practice = product.practice(claims=6)
    with broker.killed():
        for child in children_of(product.workers.settle.pid):
            os.kill(child, signal.SIGKILL)
        job = product.confirm(practice, chunk_claims=2)

        product.assert_all_settled(practice, job)
    product.workers.settle.wait_until_ready()


def test_work_found_without_a_hint_is_counted(product: Product, broker: OwnBroker) -> None:
    def found() -> float:
        with product.sessions() as session:
            return statistics.counter_values(session).get(("unhinted_acts", "settle.work"), 0)

    before, practice = found(), product.practice(claims=2)
    with broker.killed():
        job = product.confirm(practice)
        product.assert_all_settled(practice, job)
        eventually(lambda: found() > before, seconds=PATIENCE_SECONDS)


def test_a_worker_that_settles_without_the_broker_is_not_considered_stuck(
    servers: tuple[Databases, Broker], broker: OwnBroker, tmp_path: Path
) -> None:
    databases, _ = servers
    with (
        databases.fresh() as url,
        running_product(folder=tmp_path, database_url=url, broker_url=broker.url, WORKER_STUCK_SECONDS="1") as product,
    ):
        product.beats = False
        practice = product.practice(claims=400)
        worker = product.workers.settle.pid
        with broker.killed():
            job = product.confirm(practice, chunk_claims=1)
            product.assert_all_settled(practice, job)
        assert product.workers.settle.pid == worker
        assert "worker_is_stuck" not in product.workers.settle.log_text()


def test_a_stuck_worker_ends_itself_without_the_broker_and_a_new_one_settles(
    servers: tuple[Databases, Broker], broker: OwnBroker, tmp_path: Path
) -> None:
    databases, _ = servers
    with (
        databases.fresh() as url,
        running_product(folder=tmp_path, database_url=url, broker_url=broker.url, WORKER_STUCK_SECONDS="3") as product,
    ):
        product.beats = False
        practice = product.practice(claims=4)
        for child in children_of(product.workers.settle.pid):
            os.kill(child, signal.SIGSTOP)
        with broker.killed():
            job = product.confirm(practice)

            eventually(lambda: not product.workers.settle.is_running(), seconds=PATIENCE_SECONDS)

            assert "worker_is_stuck" in product.workers.settle.log_text()
            product.assert_all_settled(practice, job)


def test_a_dead_broker_raises_a_ticket_and_a_page_only_if_work_waits_over_a_minute(
    product: Product, broker: OwnBroker
) -> None:
    practice = product.practice(claims=4)
    warning, urgent = "SettleBrokerDown", "SettleWorkWaitsWithoutBroker"
    assert (alerting.severity(warning), alerting.severity(urgent)) == ("ticket", "page")
    assert not alerting.holds(warning, _scrape(product))
    with broker.killed():
        job = product.confirm(practice, "C00001", "C00002")
        product.assert_all_settled(practice, job)
        in_an_hour = _scrape(product, later=dt.timedelta(hours=1))
        assert alerting.holds(warning, in_an_hour)
        assert not alerting.holds(urgent, in_an_hour)

        product.workers.stop()
        waiting = product.confirm(practice, "C00003", "C00004", key="waiting")
        assert not alerting.holds(urgent, _scrape(product))
        assert alerting.holds(urgent, _scrape(product, later=dt.timedelta(seconds=61)))

        product.workers.settle.begin()
        product.assert_all_settled(practice, waiting)
        assert not alerting.holds(urgent, _scrape(product, later=dt.timedelta(seconds=61)))
    assert not alerting.holds(warning, _scrape(product))
    product.workers.settle.wait_until_ready()
    product.workers.control.start()


def _scrape(product: Product, *, later: dt.timedelta = dt.timedelta()) -> str:
    """Return the metrics of a web process of this product whose clock is ahead by `later`."""
    settings = Settings.model_validate({"database_url": as_web(product.database_url), "broker_url": product.broker_url})
    app = create_app(settings, clock=lambda: utc_now() + later)
    try:
        answer = app.test_client().get("/metrics")
        assert answer.status_code == 200
        return answer.text
    finally:
        app.extensions["settle"].engine.dispose()


def test_every_invariant_holds_after_the_tests_above(product: Product) -> None:
    practice: GivenPractice = product.practice()
    assert practice.violations() == []
    with transaction(product.sessions) as session:
        assert statistics.jobs_by_status(session)[JobStatus.HALTED] == 0

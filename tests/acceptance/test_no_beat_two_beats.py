"""Beat is optional and may run twice. A lost hint or a message of another version harms no job."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import text

from core.enums.jobs import JobStatus
from core.jobs.keys import JobKey
from core.local import programs
from core.local.broker import Broker
from core.local.guardian import StopPolicy
from core.settings import BROKER_TRANSPORT_OPTIONS, QUEUE_CONTROL, QUEUE_SETTLE, TASK_SWEEP, TASK_WORK, Settings
from tests.acceptance.own_broker import OwnBroker
from tests.acceptance.product import PATIENCE_SECONDS, Product, utc_now
from tests.acceptance.web import Api, Web, running_web
from tests.forks import ForkingGuardian
from tests.servers import Databases, broker_client
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def without_beat(product: Product) -> None:
    """Make sure that no test here depends on a beat that it did not start itself."""
    product.beats = False


def test_without_beat_or_hints_one_worker_finds_the_job(product: Product) -> None:
    practice = product.practice(claims=6)
    product.workers.control.stop()
    try:
        job = product.confirm(practice, chunk_claims=2)

        product.assert_all_settled(practice, job)
    finally:
        product.workers.control.start_again()


@pytest.fixture
def two_beats(product: Product, tmp_path: Path) -> Iterator[list[Path]]:
    """Run two beats at once. Yield their logs."""
    given = {"DATABASE_URL": product.database_url, "BROKER_URL": product.broker_url}
    environment = {**os.environ, **{f"SETTLE_{name}": value for name, value in given.items()}}
    logs = [tmp_path / "beat-1.log", tmp_path / "beat-2.log"]
    with ForkingGuardian() as guardian:
        for log in logs:
            guardian.start(programs.beat(Settings()), log=log, env=environment, ending=StopPolicy())
        yield logs


def test_two_beats_do_not_double_the_sweep_and_the_job_settles_once(product: Product, two_beats: list[Path]) -> None:
    practice = product.practice(claims=6)
    job = product.confirm(practice, chunk_claims=2)
    for log in two_beats:
        eventually(lambda log=log: "Sending due task" in log.read_text(), seconds=PATIENCE_SECONDS)

    product.assert_all_settled(practice, job)
    assert practice.write_offs("C00001") == [(1, "insurance", -1_000), (1, "patient", -500)]


def test_ten_simultaneous_sweeps_send_one_round_of_hints(product: Product) -> None:
    practice = product.practice(claims=10)
    product.workers.settle.stop()
    second = product.workers.another(QUEUE_CONTROL, name="second")
    second.start()
    try:
        job = product.confirm(practice, chunk_claims=2)
        broker = broker_client(product.broker_url)
        swept = f"Task {TASK_SWEEP}"

        def sweeps() -> int:
            return _succeeded(product.workers.control.log_text(), swept) + _succeeded(second.log_text(), swept)

        before = sweeps()  # the log of a worker also has the sweeps of earlier tests
        for _ in range(10):
            product.sweep()
        eventually(lambda: sweeps() >= before + 10, seconds=PATIENCE_SECONDS)
        hints = eventually(lambda: broker.llen("settle:settle"), seconds=PATIENCE_SECONDS)
        assert hints in {5, 10}, "one round for the five chunks, or two if the ten sweeps took ten seconds"
    finally:
        second.kill()
        product.workers.settle.start_again()

    product.assert_all_settled(practice, job)


def _succeeded(log: str, task: str) -> int:
    return sum(task in line and " succeeded in " in line for line in log.splitlines())


def test_a_sweep_does_nothing_and_does_not_wait_while_another_runs(product: Product) -> None:
    practice = product.practice(claims=2)
    long_ago = utc_now() - dt.timedelta(hours=2)
    with product.hold("SELECT pg_advisory_xact_lock(hashtext('settle sweep'))"):
        old = practice.preview(now=long_ago)  # a sweep makes it expire
        done_before = _succeeded(product.workers.control.log_text(), TASK_SWEEP)
        product.sweep()
        eventually(
            lambda: _succeeded(product.workers.control.log_text(), TASK_SWEEP) > done_before, seconds=PATIENCE_SECONDS
        )
        assert practice.progress(old).status is JobStatus.PREVIEWED

    def is_expired() -> bool:
        product.sweep()
        return practice.progress(old).status is JobStatus.EXPIRED

    eventually(is_expired, seconds=PATIENCE_SECONDS)


def test_a_job_confirmed_by_command_starts_without_a_hint_or_a_sweep(product: Product) -> None:
    practice = product.practice(claims=6)
    with product.hold("SELECT pg_advisory_xact_lock(hashtext('settle sweep'))"):
        job = product.confirm(practice, chunk_claims=2)

        product.assert_all_settled(practice, job)


def test_a_job_runs_although_the_web_process_was_killed_before_its_hint(
    product: Product, servers: tuple[Databases, Broker], tmp_path: Path
) -> None:
    practice = product.practice(claims=3)
    with running_web(product, folder=tmp_path) as web:
        api = Api.of_biller(web, practice)
        job = JobKey(practice.id, int(api.preview().json["id"]))
        # The web process has sent nothing yet, so its hint cannot leave before the broker answers its greeting.
        with OwnBroker(servers[1], tmp_path).frozen(), product.hold_chunk(job, first=1):
            assert api.confirm(str(job.job_id)).status == 202
            web.kill()
            assert practice.progress(job).status is JobStatus.CONFIRMED

    product.assert_all_settled(practice, job)


def test_messages_of_the_next_version_do_not_end_a_worker(product: Product) -> None:
    practice = product.practice(claims=4)
    job = product.confirm(practice, chunk_claims=2)
    pids = product.workers.settle.pid, product.workers.control.pid
    for queue in (QUEUE_SETTLE, QUEUE_CONTROL):
        _send(product, "settle.of_the_next_version", [1, 2], queue=queue)
        _send(product, TASK_WORK, list(job), queue=queue, kwargs={"urgency": "new"})
        _send(product, TASK_WORK, list(job), queue=queue, headers={"settle_version": 2})

    product.assert_all_settled(practice, job)
    broker = broker_client(product.broker_url)
    eventually(lambda: broker.llen("settle:settle") + broker.llen("settle:control") == 0, seconds=PATIENCE_SECONDS)
    assert (product.workers.settle.pid, product.workers.control.pid) == pids
    assert product.workers.settle.is_running()
    assert product.workers.control.is_running()


def test_a_malformed_message_causes_at_most_one_restart(product: Product) -> None:
    practice = product.practice(claims=2)
    broker = broker_client(product.broker_url)
    broker.lpush("settle:settle", "this is not JSON")
    eventually(lambda: broker.llen("settle:settle") == 0, seconds=PATIENCE_SECONDS)
    job = product.confirm(practice)

    product.assert_all_settled(practice, job)

    starts = product.workers.settle.log_since_start().count(" ready.")
    product.workers.keep_up()
    assert starts <= 1
    assert product.workers.settle.is_running()


def _send(product: Product, task: str, args: list[int], **options: Any) -> None:
    with Celery(broker=product.broker_url) as app:
        app.conf.update(broker_transport_options=BROKER_TRANSPORT_OPTIONS, task_ignore_result=True)
        app.send_task(task, args=args, retry=False, **options)


def test_every_invariant_holds_after_the_tests_above(product: Product, web: Web) -> None:
    assert product.practice().violations() == []
    with product.engine.connect() as connection:
        moving = text("SELECT count(*) FROM settle_job WHERE status NOT IN ('completed', 'cancelled', 'expired')")
        assert connection.scalar(moving) == 0
    assert "Traceback" not in web.log_text()

"""Redis holds only hints. It may disappear, forget everything or repeat everything at any time."""

from collections.abc import Callable, Iterator

import pytest

from core.enums.jobs import JobStatus
from core.jobs.keys import JobKey
from core.settings import TASK_PREPARE, TASK_WORK
from tests.acceptance.own_broker import OwnBroker, own_broker
from tests.acceptance.product import PATIENCE_SECONDS, Product, running_product, utc_now
from tests.acceptance.web import Api, Web
from tests.factories import GivenPractice
from tests.servers import Databases
from tests.waiting import eventually

QUEUE = "settle:settle"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """Yield a broker that the tests of this module may kill."""
    with own_broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="module")
def product(databases: Databases, broker: OwnBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Yield the product on that broker. A supervisor restarts a worker that ends."""
    folder = tmp_path_factory.mktemp("product")
    with (
        databases.fresh() as url,
        running_product(folder=folder, database_url=url, broker_url=broker.url) as product,
    ):
        yield product


def test_confirm_is_answered_before_the_hint_to_a_hanging_broker_times_out(
    product: Product, web: Web, broker: OwnBroker
) -> None:
    practice = product.practice(claims=6)
    api = Api.of_biller(web, practice)
    job = _previewed(api, practice)
    with broker.frozen():
        answer = api.confirm(str(job.job_id))

        assert answer.status == 202
        assert "dropped" not in web.log_text(), "the answer waited for the broker"
        assert practice.read_job(job).confirmed_at is not None
        eventually(lambda: "dropped" in web.log_text(), seconds=PATIENCE_SECONDS)

    product.assert_all_settled(practice, job)


def test_a_job_confirmed_while_the_broker_is_dead_runs_when_the_broker_is_back(
    product: Product, web: Web, broker: OwnBroker
) -> None:
    practice = product.practice(claims=6)
    api = Api.of_biller(web, practice)
    broker.kill()
    try:
        job = _previewed(api, practice)
        assert api.confirm(str(job.job_id)).status == 202
    finally:
        broker.start_empty()

    product.assert_all_settled(practice, job)


ACCIDENTS: dict[str, Callable[[OwnBroker], object]] = {
    "it loses its data": OwnBroker.lose_everything,
    "it is flushed": lambda broker: broker.client.flushall(),
    "its connections are cut": lambda broker: broker.client.client_kill_filter(_type="normal", skipme=True),
}


@pytest.mark.parametrize("accident", ACCIDENTS)
def test_an_accident_of_the_broker_mid_job_does_no_harm(product: Product, broker: OwnBroker, accident: str) -> None:
    practice = product.practice(claims=12)
    with product.worker_at_line(practice, "C00003", chunk_claims=2, hints=6) as (job, _):
        ACCIDENTS[accident](broker)

    product.assert_all_settled(practice, job)


def test_a_broker_that_loses_its_data_at_the_last_chunk_does_no_harm(product: Product, broker: OwnBroker) -> None:
    practice = product.practice(claims=4)
    with product.worker_at_line(practice, "C00004", chunk_claims=2) as (job, _):
        eventually(lambda: practice.counts(job)["settled"] == 2, seconds=PATIENCE_SECONDS)

        broker.lose_everything()

    product.assert_all_settled(practice, job)


@pytest.mark.parametrize("seconds", [3, 45])
def test_a_broker_that_pauses_mid_job_causes_only_a_delay(
    product: Product, web: Web, broker: OwnBroker, seconds: int
) -> None:
    practice = product.practice(claims=12)
    api = Api.of_biller(web, practice)
    preview = api.preview({"claim_ids": [f"C{number:05d}" for number in range(9, 13)]}, key="during_pause")
    during_pause = JobKey(practice.id, int(preview.json["id"]))
    with product.hold_line(practice, "C00003") as line, product.hold_chunk(during_pause, first=1):
        job = product.confirm(practice, *[f"C{number:05d}" for number in range(1, 9)], chunk_claims=2)
        product.hint(job, times=3)
        line.wait_for_a_worker()

        broker.client.client_pause(seconds * 1_000, all=True)
        assert api.confirm(preview.json["id"]).status == 202

        line.release()
        assert broker.client.ping(), "the broker answers after the pause"

    product.assert_all_settled(practice, job)
    product.assert_all_settled(practice, during_pause)


def test_a_worker_finds_a_job_whose_hints_are_all_lost(product: Product, web: Web, broker: OwnBroker) -> None:
    practice = product.practice(claims=12)
    api = Api.of_biller(web, practice)
    product.workers.settle.stop()
    job = _previewed(api, practice)
    assert api.confirm(str(job.job_id)).status == 202
    eventually(lambda: broker.client.llen(QUEUE) == 3, seconds=PATIENCE_SECONDS)

    broker.client.delete(QUEUE)

    product.workers.settle.start_again()
    product.assert_all_settled(practice, job)


def test_hints_delivered_five_times_settle_each_claim_once(product: Product) -> None:
    practice = product.practice(claims=12)
    with product.hold("SELECT 1 FROM line_item WHERE practice_id = :practice FOR UPDATE", practice=practice.id):
        job = product.confirm(practice, chunk_claims=2)
        product.hint(job, times=5 * len(product.chunks(job)))

    product.assert_all_settled(practice, job)

    for number in range(1, 13):
        assert practice.write_offs(f"C{number:05d}") == [(1, "insurance", -1_000), (1, "patient", -500)]
    product.hint(job, times=5)
    assert practice.violations() == []


def test_hints_for_finished_canceled_or_unknown_jobs_and_garbage_do_no_harm(
    product: Product, broker: OwnBroker
) -> None:
    practice = product.practice(claims=6)
    done = product.confirm(practice, "C00001", key="done")
    product.assert_all_settled(practice, done)
    canceled = product.preview(practice, "C00002", key="canceled")
    with product.hold_chunk(canceled, first=1):
        practice.confirm(canceled, now=utc_now())
        product.cancel(practice, canceled)
    assert product.wait_until_it_ends(practice, canceled).status is JobStatus.CANCELLED
    worker = product.workers.settle.pid

    garbage = [("x", None), (-1, 2**70), ({}, []), (1.5, "'; DROP TABLE claim --"), (), (1, 2, 3)]
    for task in (TASK_WORK, TASK_PREPARE):
        for ids in [done, canceled, (practice.id, 999_999), (999_999, 1), *garbage]:
            product.workers.hint(task, *ids)
    eventually(lambda: broker.client.llen(QUEUE) == 0, seconds=PATIENCE_SECONDS)

    job = product.confirm(practice, "C00003", "C00004", key="next")
    product.assert_all_settled(practice, job)
    assert practice.counts(canceled) == {"settled": 0, "skipped": 0, "failed": 0, "remaining": 1}
    assert practice.write_offs("C00002") == []
    assert practice.write_offs("C00001") == [(1, "insurance", -1_000), (1, "patient", -500)]
    assert product.workers.settle.pid == worker, "no worker ended because of a message"


def _previewed(api: Api, practice: GivenPractice) -> JobKey:
    answer = api.preview()
    assert answer.status == 201, answer.text
    return JobKey(practice.id, int(answer.json["id"]))

"""Two workers settle one job side by side. Three practices' jobs share them evenly, in any size and order."""

from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from core.enums.job_items import ChunkState
from core.jobs.keys import JobKey
from core.models.job_items import JobChunk
from core.settings import QUEUE_SETTLE
from tests.acceptance.product import PATIENCE_SECONDS, Product
from tests.processes import family_of
from tests.waiting import eventually
from tests.workers import Worker

POOL = 2  # processes of a worker
WATCHED_CHUNKS = 60  # while all three jobs have free chunks: none has fewer


@pytest.fixture
def second(product: Product) -> Iterator[Worker]:
    """Yield a second worker for the same queue, not started yet."""
    worker = product.workers.another(QUEUE_SETTLE, name="second")
    yield worker
    worker.kill()


def pool_of(worker: Worker) -> set[int]:
    """Return the process ids of a worker."""
    return {process.pid for process in family_of(worker.pid)}


def takers(product: Product, job: JobKey) -> Counter[int]:
    """Return how many of the job's chunks each process took."""
    return Counter(int(chunk.taken_by.rpartition(":")[2]) for chunk in product.chunks(job) if chunk.taken_by)


def test_two_workers_settle_different_chunks_of_one_job_at_the_same_time(product: Product, second: Worker) -> None:
    second.start()
    practice = product.practice(claims=40)
    lines = product.hold("SELECT 1 FROM line_item WHERE practice_id = :practice FOR UPDATE", practice=practice.id)
    with lines as held:
        job = product.confirm(practice, chunk_claims=1)
        product.hint(job, times=2 * POOL)
        eventually(lambda: held.waiting() == 2 * POOL, seconds=PATIENCE_SECONDS)

        inside = takers(product, job)
        assert set(inside.values()) == {1}, "no chunk has two workers, and none of them has two chunks"
        assert len(inside.keys() & pool_of(product.workers.settle)) == POOL
        assert len(inside.keys() & pool_of(second)) == POOL

    product.assert_all_settled(practice, job)
    by_worker = takers(product, job)
    assert sum(by_worker.values()) == 40
    assert by_worker.keys() & pool_of(product.workers.settle)
    assert by_worker.keys() & pool_of(second)


def test_three_practices_share_two_workers_evenly_although_one_job_is_larger_and_older(
    product: Product, second: Worker
) -> None:
    product.workers.settle.stop()  # no worker runs until all three are confirmed
    practices = [product.practice(claims=claims) for claims in (3 * WATCHED_CHUNKS, WATCHED_CHUNKS, WATCHED_CHUNKS)]
    jobs = [product.confirm(practice, chunk_claims=1) for practice in practices]
    product.hint(jobs[0], times=2 * POOL)  # each hint names the large job

    product.workers.settle.begin()
    second.begin()
    for practice, job in zip(practices, jobs, strict=True):
        product.assert_all_settled(practice, job)

    with product.sessions() as session:
        of_jobs = JobChunk.job_id.in_([job.job_id for job in jobs])
        done = select(JobChunk.practice_id, JobChunk.state).where(of_jobs).order_by(JobChunk.done_at)
        in_order = session.execute(done.limit(WATCHED_CHUNKS)).all()
    assert {state for _, state in in_order} == {ChunkState.DONE}
    share = Counter(practice for practice, _ in in_order)
    # 20 each is even. With a practice drawn at random for each chunk, one gets fewer than 6 once in 60,000 runs.
    # tests/core/jobs/execution/test_engine.py checks the fairness of thousands of draws.
    assert set(share) == {practice.id for practice in practices}
    assert min(share.values()) >= 6, share
    both = pool_of(product.workers.settle), pool_of(second)
    worked = {pid for job in jobs for pid in takers(product, job)}
    assert all(worked & pool for pool in both), "both workers settled chunks"

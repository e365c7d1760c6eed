"""If a worker is killed, frozen or stopped at any moment, each claim is settled once and completely."""

import os
import signal
from pathlib import Path

from sqlalchemy import text

from core.enums.job_items import ChunkState
from core.enums.jobs import JobStatus
from core.local.broker import Broker
from tests.acceptance.product import PATIENCE_SECONDS, Product, running_product, utc_now
from tests.processes import children_of
from tests.servers import Databases
from tests.waiting import eventually


def test_a_worker_killed_in_the_middle_of_a_chunk_leaves_no_claim_half_settled(product: Product) -> None:
    practice = product.practice(claims=10)
    with product.worker_at_line(practice, "C00005") as (job, _):
        product.kill_worker_of(job)

        assert practice.counts(job) == {"settled": 0, "skipped": 0, "failed": 0, "remaining": 10}
        assert practice.write_offs("C00001") == []

    product.assert_all_settled(practice, job)
    assert practice.write_offs("C00005") == [(1, "insurance", -1_000), (1, "patient", -500)]


def test_the_sweep_completes_the_job_of_a_worker_killed_after_its_last_commit(product: Product) -> None:
    practice = product.practice(claims=3)
    with product.worker_at_line(practice, "C00002") as (job, line), product.hold_job(job) as job_row:
        line.release()
        job_row.wait_for_a_worker()
        assert practice.counts(job)["settled"] == 3

        product.kill_worker_of(job)

        assert practice.progress(job).status is JobStatus.RUNNING

    product.assert_all_settled(practice, job)


def test_another_worker_settles_the_next_chunk_after_a_worker_is_killed(product: Product) -> None:
    practice = product.practice(claims=4)
    job = product.preview(practice, chunk_claims=2)
    with product.hold_chunk(job, first=3):
        practice.confirm(job, now=utc_now())
        product.hint(job)
        eventually(lambda: practice.counts(job)["settled"] == 2, seconds=PATIENCE_SECONDS)

        first = product.worker_of(job)
        product.kill_worker_of(job)

    product.assert_all_settled(practice, job)
    assert product.worker_of(job, chunk=1) != first


def test_a_worker_killed_with_its_pool_is_restarted_and_finishes_the_job(product: Product) -> None:
    practice = product.practice(claims=6)
    with product.worker_at_line(practice, "C00002", chunk_claims=3) as (job, line):
        product.workers.settle.kill()
        eventually(lambda: line.waiting() == 0, seconds=PATIENCE_SECONDS)

    product.workers.settle.start_again()

    product.assert_all_settled(practice, job)


def test_a_frozen_worker_that_resumes_after_another_took_over_repeats_nothing(product: Product) -> None:
    practice = product.practice(claims=4)
    other = product.workers.another("settle", name="other")
    with product.worker_at_line(practice, "C00001", chunk_claims=2) as (job, line):
        product.workers.settle.freeze()
        # The server ends the wait and releases all locks, although the frozen worker cannot receive it.
        eventually(lambda: line.waiting() == 0, seconds=PATIENCE_SECONDS)
    try:
        other.start()
        seen = product.wait_until_it_ends(practice, job)
        assert seen.settled == 4
        taken_by = {product.worker_of(job, chunk=chunk) for chunk in (0, 1)}

        product.workers.settle.thaw()

        again = practice.claims(2, first=5)
        next_job = product.confirm(practice, *again, key="next")
        other.stop()
        product.hint(next_job)
        product.assert_all_settled(practice, next_job)
        assert product.worker_of(next_job) not in taken_by, "the resumed worker works on"
    finally:
        product.workers.settle.thaw()
        other.kill()
    for number in ("C00001", *again):
        assert practice.write_offs(number) == [(1, "insurance", -1_000), (1, "patient", -500)]


def test_hints_in_the_socket_of_a_frozen_and_killed_worker_are_not_needed(product: Product) -> None:
    practice = product.practice(claims=6)
    product.workers.settle.freeze()
    job = product.confirm(practice, chunk_claims=2)
    product.hint(job, times=6)

    product.workers.settle.kill()
    product.workers.settle.start_again()

    product.assert_all_settled(practice, job)


def test_a_worker_that_is_stopped_finishes_its_chunk_and_fails_no_claim(product: Product) -> None:
    practice = product.practice(claims=9)
    job = product.preview(practice, chunk_claims=3)
    worker = product.workers.settle
    with (
        product.hold_line(practice, "C00002") as line,
        product.hold_chunk(job, first=4),
        product.hold_chunk(job, first=7),
    ):
        practice.confirm(job, now=utc_now())
        product.hint(job)
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


def test_a_worker_killed_in_a_long_statement_releases_its_claims_early(
    product: Product,
) -> None:
    """A server that sends nothing does not notice a lost client unless it is configured to check."""
    practice = product.practice(claims=2)
    sleeping = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    with product.engine.begin() as connection:
        connection.execute(
            text(
                "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "IF NEW.practice_id = TG_ARGV[0]::int AND NEW.version = 2 THEN PERFORM pg_sleep(3600); END IF; "
                "RETURN NEW; END $$"
            )
        )
        connection.execute(
            text(f"CREATE TRIGGER dawdle BEFORE UPDATE ON claim FOR EACH ROW EXECUTE FUNCTION dawdle({practice.id})")
        )

    def asleep() -> int:
        with product.engine.connect() as connection:
            return int(connection.scalar(sleeping) or 0)

    job = product.confirm(practice)
    product.hint(job)
    eventually(lambda: asleep() == 1, seconds=PATIENCE_SECONDS)
    product.kill_worker_of(job)
    eventually(lambda: asleep() == 0, seconds=30)
    with product.engine.begin() as connection:
        connection.execute(text("DROP FUNCTION dawdle CASCADE"))

    product.assert_all_settled(practice, job)
    assert practice.progress(job, now=utc_now()).settled == 2


def test_a_worker_whose_pool_is_stuck_ends_itself_and_a_new_one_continues(
    servers: tuple[Databases, Broker], tmp_path: Path
) -> None:
    """Its pool accepts hints and does nothing, as after a kill in the middle of an answer."""
    databases, broker = servers
    with (
        databases.fresh() as url,
        running_product(folder=tmp_path, database_url=url, broker_url=broker.url, WORKER_STUCK_SECONDS="3") as product,
    ):
        practice = product.practice(claims=4)
        stuck = product.workers.settle.pid
        for child in children_of(stuck):
            os.kill(child, signal.SIGSTOP)
        job = product.confirm(practice)

        eventually(lambda: product.sweep() or not product.workers.settle.is_running(), seconds=PATIENCE_SECONDS)

        assert "worker_is_stuck" in product.workers.settle.log_text()
        product.assert_all_settled(practice, job)

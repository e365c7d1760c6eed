"""When a transaction fails, no claim is lost or settled twice, and only a claim that caused the failure is failed."""

from collections.abc import Collection, Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url, text

from core.db.engine import transaction
from core.enums.job_items import ChunkState
from core.enums.jobs import JobStatus
from core.jobs import commands
from core.jobs.keys import JobKey
from core.local.broker import Broker
from tests.acceptance.own_postgres import LossyNetwork, lossy_network, own_postgres
from tests.acceptance.product import PATIENCE_SECONDS, Hold, Product, running_product, utc_now
from tests.factories import GivenPractice
from tests.servers import Databases
from tests.waiting import eventually

WRITTEN_OFF = [(1, "insurance", -1_000), (1, "patient", -500)]


def _assert_no_claim_fails(
    product: Product, practice: GivenPractice, job: JobKey, *, chunks: int = 1, takes: Collection[int] = (1,)
) -> None:
    """Assert that each claim is settled, that no chunk was split, and that only the successful take counts.

    `takes` are the numbers of takes that may count instead.
    """
    product.assert_all_settled(practice, job)
    done = product.chunks(job)
    assert [chunk.state for chunk in done] == [ChunkState.DONE] * chunks
    assert {chunk.attempts for chunk in done} <= set(takes)


def test_a_connection_cut_mid_transaction_is_retried_and_no_claim_fails(product: Product) -> None:
    practice = product.practice(claims=5)
    with product.worker_at_line(practice, "C00003") as (job, line):
        _cut_who_waits_for(product, line)

    _assert_no_claim_fails(product, practice, job)


def _cut_who_waits_for(product: Product, hold: Hold) -> None:
    with product.engine.connect() as connection:
        waiting = "SELECT pid FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))"
        cut = text(f"SELECT count(pg_terminate_backend(pid)) FROM ({waiting}) AS waiting")
        assert connection.scalar(cut, {"pid": hold.pid})


def test_a_lock_timeout_is_retried_and_no_claim_fails(product: Product, databases: Databases) -> None:
    practice = product.practice(claims=5)
    log_before = databases.server._log.read_text()
    with product.worker_at_line(practice, "C00003") as (job, _):
        # Read the log, because the worker takes the chunk again too soon to see the chunk open.
        eventually(
            lambda: "due to lock timeout" in databases.server._log.read_text()[len(log_before) :],
            seconds=PATIENCE_SECONDS,
        )

    # Another process may take the chunk between the rollback and the release. Then the first take counts too.
    _assert_no_claim_fails(product, practice, job, takes=(1, 2))


def test_a_server_without_free_connections_is_retried_and_no_claim_fails(
    product: Product, databases: Databases
) -> None:
    practice = product.practice(claims=5)
    product.workers.settle.freeze()  # it must not find the job before the limit is in place
    job = product.confirm(practice)
    name = str(make_url(product.database_url).database)
    product.engine.dispose()  # this test uses one connection, the only one that the limit allows
    databases.disconnect(name)
    log_before = databases.server._log.read_text()
    with product.engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT 1"))
        connection.commit()
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    product.workers.settle.thaw()
    product.hint(job)
    eventually(
        lambda: "too many connections" in databases.server._log.read_text()[len(log_before) :],
        seconds=PATIENCE_SECONDS,
    )

    with product.engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT -1"))

    _assert_no_claim_fails(product, practice, job)


def test_a_deadlock_with_another_session_is_retried_and_no_claim_fails(product: Product) -> None:
    practice = product.practice(claims=2)
    job = product.preview(practice)
    item = "SELECT 1 FROM job_item WHERE practice_id = :practice AND job_id = :job AND position = 1 FOR UPDATE"
    with (
        product.hold(item, practice=practice.id, job=job.job_id) as item_row,
        closing(_patient_session(product)) as other,
    ):
        claim_id = practice.read("C00001").id
        of_claim = f"practice_id = {practice.id} AND claim_id = {claim_id}"
        other.execute(f"SELECT 1 FROM line_item WHERE {of_claim} FOR UPDATE")
        practice.confirm(job, now=utc_now())
        product.hint(job)
        item_row.wait_for_a_worker()
        # The other session wants the claim that the worker has locked. Next, the worker will want the session's line.
        other.pgconn.send_query(
            f"SELECT 1 FROM claim WHERE practice_id = {practice.id} AND id = {claim_id} FOR UPDATE".encode()
        )
        other.pgconn.flush()
        eventually(lambda: _waits(product, other), seconds=PATIENCE_SECONDS)
        item_row.release()

        def has_the_claim() -> bool:
            other.pgconn.consume_input()
            return not other.pgconn.is_busy()

        eventually(has_the_claim, seconds=PATIENCE_SECONDS)
    with product.engine.connect() as connection:
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        eventually(lambda: (connection.rollback(), connection.scalar(deadlocks))[1], seconds=PATIENCE_SECONDS)

    _assert_no_claim_fails(product, practice, job)


def _patient_session(product: Product) -> psycopg.Connection[tuple[object, ...]]:
    """Return another session that does not check for deadlocks, so that the worker detects one first."""
    superuser = make_url(product.database_url).set(username="postgres").render_as_string(hide_password=False)
    other = psycopg.connect(superuser)
    other.execute("SET deadlock_timeout = '10min'")
    return other


def _waits(product: Product, other: psycopg.Connection[tuple[object, ...]]) -> bool:
    with product.engine.connect() as connection:
        blocked = text("SELECT cardinality(pg_blocking_pids(:pid)) > 0")
        return bool(connection.scalar(blocked, {"pid": other.info.backend_pid}))


@pytest.fixture
def fault(product: Product) -> Iterator["Fault"]:
    """Yield a trigger that makes the database fail when a claim is settled. Remove it after the test."""
    fault = Fault(product)
    yield fault
    fault.end()


class Fault:
    """A trigger on the table of claims."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def at(self, practice: GivenPractice, claims: list[str], do: str) -> None:
        """Run the statements of `do` whenever one of these claims is to be settled."""
        numbers = ", ".join(f"'{number}'" for number in claims)
        of_claims = f"NEW.practice_id = {practice.id} AND NEW.external_id IN ({numbers})"
        body = f"BEGIN IF {of_claims} AND NEW.billing_status = 'Settled' THEN {do} END IF; RETURN NEW; END"
        with self._product.engine.begin() as connection:
            connection.execute(text(f"CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"))
            connection.execute(
                text("CREATE TRIGGER fault BEFORE UPDATE ON claim FOR EACH ROW EXECUTE FUNCTION fault()")
            )

    def end(self) -> None:
        """Remove the trigger."""
        with self._product.engine.begin() as connection:
            connection.execute(text("DROP FUNCTION IF EXISTS fault CASCADE"))


def test_only_the_claim_that_the_database_refuses_fails_with_a_code(product: Product, fault: Fault) -> None:
    practice = product.practice(claims=40)
    fault.at(practice, ["C00007"], "RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation';")
    job = product.confirm(practice)
    product.hint(job)

    seen = product.wait_until_it_ends(practice, job)

    assert seen.status is JobStatus.COMPLETED
    assert practice.counts(job) == {"settled": 39, "skipped": 0, "failed": 1, "remaining": 0}
    assert practice.item(job, "C00007").code == "database_refused"
    assert practice.write_offs("C00007") == []
    assert practice.read("C00007").billing_status == "Balance Due"
    assert practice.write_offs("C00008") == WRITTEN_OFF
    assert practice.violations() == []


def test_a_job_whose_claims_are_all_refused_halts_until_a_user_resumes_it(product: Product, fault: Fault) -> None:
    practice = product.practice()
    numbers = practice.claims(60)
    fault.at(practice, numbers, "RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation';")
    job = product.confirm(practice, chunk_claims=10)
    product.hint(job)
    eventually(lambda: practice.progress(job).status is JobStatus.HALTED, seconds=PATIENCE_SECONDS)
    halted = practice.counts(job)
    assert halted["settled"] == 0
    assert halted["failed"] < 60, "the job halts before every claim has failed"
    assert practice.violations() == []

    fault.end()
    with transaction(product.sessions) as session:
        commands.resume(session, job, by=practice.biller, now=utc_now())
    product.hint(job)
    ended = product.wait_until_it_ends(practice, job)
    # A worker that was in a chunk when the job halted may still have failed its claim.
    assert halted["failed"] <= ended.failed < 60
    assert ended.settled == 60 - ended.failed
    with transaction(product.sessions) as session:
        commands.retry_failed(session, job, by=practice.biller, now=utc_now())

    product.assert_all_settled(practice, job)


def test_a_claim_that_kills_its_workers_fails_and_the_others_are_settled(product: Product, fault: Fault) -> None:
    practice = product.practice(claims=2)
    fault.at(practice, ["C00002"], "PERFORM pg_sleep(3600);")
    job = product.confirm(practice)
    deaths = 0

    def killed_or_done() -> bool:
        nonlocal deaths
        if _asleep(product):
            product.kill_worker_of(job, chunk=-1)
            deaths += 1
            eventually(lambda: not _asleep(product), seconds=PATIENCE_SECONDS)
        product.hint(job)
        return practice.progress(job, now=utc_now()).remaining == 0

    eventually(killed_or_done, seconds=2 * PATIENCE_SECONDS)

    assert deaths == 6, "three with its neighbor, three alone"
    assert practice.counts(job) == {"settled": 1, "skipped": 0, "failed": 1, "remaining": 0}
    assert practice.item(job, "C00002").code == "worker_died"
    assert product.wait_until_it_ends(practice, job).status is JobStatus.COMPLETED
    assert practice.violations() == []


def _asleep(product: Product) -> bool:
    with product.engine.connect() as connection:
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
        return bool(connection.scalar(text(asleep)))


@pytest.fixture(scope="module")
def network(databases: Databases) -> Iterator[LossyNetwork]:
    """Yield a separate database behind a network that loses answers."""
    with databases.fresh() as url, lossy_network(url) as network:
        yield network


@pytest.fixture(scope="module")
def far_product(
    network: LossyNetwork, servers: tuple[Databases, Broker], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Yield a product whose workers reach the database through that network."""
    folder, broker_url = tmp_path_factory.mktemp("far"), servers[1].url_of(1)
    with running_product(folder=folder, database_url=network.url, broker_url=broker_url) as product:
        yield product


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("INSERT INTO posting", id="of-the-effect"),
        pytest.param("taken_by=", id="of-the-take"),
        pytest.param("INSERT INTO audit_entry", id="of-the-end-of-the-job"),
    ],
)
def test_a_commit_whose_answer_is_lost_takes_effect_exactly_once(
    far_product: Product, network: LossyNetwork, statement: str
) -> None:
    practice = far_product.practice(claims=5)
    far_product.workers.settle.freeze()  # it must not find the job before the network loses answers
    job = far_product.confirm(practice)
    network.lose_the_answer_to_the_commit_after(statement)

    far_product.workers.settle.thaw()
    far_product.hint(job)
    network.wait_until_it_is_lost()

    far_product.assert_all_settled(practice, job)
    assert len(far_product.chunks(job)) == 1
    for number in range(1, 6):
        assert practice.write_offs(f"C{number:05d}") == WRITTEN_OFF


def test_a_job_continues_after_its_database_server_is_restarted_or_killed(
    servers: tuple[Databases, Broker], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, broker_url = tmp_path_factory.mktemp("restarted"), servers[1].url_of(2)
    with (
        own_postgres() as (postgres, url),
        running_product(folder=folder, database_url=url, broker_url=broker_url) as product,
    ):
        for end in (postgres.stop, postgres.child.kill):
            practice = product.practice(claims=8)
            with product.hold_line(practice, "C00003") as line:
                # confirmed under the lock, so that the workers cannot finish first
                job = product.confirm(practice, chunk_claims=2)
                product.hint(job, times=2)
                line.wait_for_a_worker()
                end()
                postgres.start()

            product.assert_all_settled(practice, job)
            assert len(product.chunks(job)) == 4

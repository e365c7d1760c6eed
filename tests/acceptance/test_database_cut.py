"""Whatever happens to a transaction, nothing is lost, nothing is twice, and only a claim at fault is blamed."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import make_url, text

from core.db.engine import transaction
from core.jobs import commands
from core.jobs.keys import JobKey
from core.local.broker import Broker
from core.models.job_items import ChunkState
from core.models.jobs import JobStatus
from tests.acceptance.own_postgres import LossyNetwork, lossy_network, own_postgres
from tests.acceptance.product import PATIENCE_SECONDS, Hold, Product, running_product, utc_now
from tests.factories import GivenPractice
from tests.servers import Databases
from tests.waiting import eventually

WRITTEN_OFF = [(1, "insurance", -1_000), (1, "patient", -500)]


def _assert_nobody_is_blamed(product: Product, practice: GivenPractice, job: JobKey, *, chunks: int = 1) -> None:
    """Every claim is settled, no chunk was split, and only the take that succeeded counts."""
    product.assert_all_settled(practice, job)
    assert [(chunk.state, chunk.attempts) for chunk in product.chunks(job)] == [(ChunkState.DONE, 1)] * chunks


def test_a_connection_cut_in_mid_transaction_is_tried_again_and_nobody_is_blamed(product: Product) -> None:
    practice = product.practice(claims=5)
    with product.hold_line(practice, "C00003") as line:
        job = product.confirm(practice)
        product.hint(job)
        line.wait_for_a_worker()

        _cut_who_waits_for(product, line)

    _assert_nobody_is_blamed(product, practice, job)


def _cut_who_waits_for(product: Product, hold: Hold) -> None:
    with product.engine.connect() as connection:
        waiting = "SELECT pid FROM pg_stat_activity WHERE :pid = ANY (pg_blocking_pids(pid))"
        cut = text(f"SELECT count(pg_terminate_backend(pid)) FROM ({waiting}) AS waiting")
        assert connection.scalar(cut, {"pid": hold.pid})


def test_a_lock_that_is_not_given_in_time_is_tried_again_and_nobody_is_blamed(
    product: Product, databases: Databases
) -> None:
    practice = product.practice(claims=5)
    said_before = databases.server._log.read_text()
    with product.hold_line(practice, "C00003") as line:
        job = product.confirm(practice)
        product.hint(job)
        line.wait_for_a_worker()
        # The log tells it: the worker takes the chunk again at once, so that the chunk itself is open for too short.
        eventually(
            lambda: "due to lock timeout" in databases.server._log.read_text()[len(said_before) :],
            seconds=PATIENCE_SECONDS,
        )

    _assert_nobody_is_blamed(product, practice, job)


def test_a_server_with_no_connection_left_is_asked_again_and_nobody_is_blamed(
    product: Product, databases: Databases
) -> None:
    practice = product.practice(claims=5)
    product.workers.settle.freeze()  # it must not find the job before the limit is there
    job = product.confirm(practice)
    product.engine.dispose()  # this test keeps to one connection, which is the one that the limit allows
    said_before = databases.server._log.read_text()
    name = make_url(product.database_url).database
    with product.engine.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT 1"))
        connection.commit()
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    product.workers.settle.thaw()
    product.hint(job)
    eventually(
        lambda: "too many connections" in databases.server._log.read_text()[len(said_before) :],
        seconds=PATIENCE_SECONDS,
    )

    with product.engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT -1"))

    _assert_nobody_is_blamed(product, practice, job)


def test_a_deadlock_with_another_hand_is_tried_again_and_nobody_is_blamed(product: Product) -> None:
    practice = product.practice(claims=2)
    job = product.preview(practice)
    item = "SELECT 1 FROM job_item WHERE practice_id = :practice AND job_id = :job AND position = 1 FOR UPDATE"
    with product.hold(item, practice=practice.id, job=job.job_id) as item_row, closing(_patient_hand(product)) as hand:
        claim_id = practice.read("C00001").id
        of_claim = f"practice_id = {practice.id} AND claim_id = {claim_id}"
        hand.execute(f"SELECT 1 FROM line_item WHERE {of_claim} FOR UPDATE")
        practice.confirm(job, now=utc_now())
        product.hint(job)
        item_row.wait_for_a_worker()
        # The other hand wants the claim that the worker has; the worker will want the line that the other hand has.
        hand.pgconn.send_query(
            f"SELECT 1 FROM claim WHERE practice_id = {practice.id} AND id = {claim_id} FOR UPDATE".encode()
        )
        hand.pgconn.flush()
        eventually(lambda: _waits(product, hand), seconds=PATIENCE_SECONDS)
        item_row.release()

        def has_the_claim() -> bool:
            hand.pgconn.consume_input()
            return not hand.pgconn.is_busy()

        eventually(has_the_claim, seconds=PATIENCE_SECONDS)
    with product.engine.connect() as connection:
        deadlocks = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        eventually(lambda: (connection.rollback(), connection.scalar(deadlocks))[1], seconds=PATIENCE_SECONDS)

    _assert_nobody_is_blamed(product, practice, job)


def _patient_hand(product: Product) -> psycopg.Connection[tuple[object, ...]]:
    """Another session, which leaves it to the other side to notice a deadlock."""
    superuser = make_url(product.database_url).set(username="postgres").render_as_string(hide_password=False)
    hand = psycopg.connect(superuser)
    hand.execute("SET deadlock_timeout = '10min'")
    return hand


def _waits(product: Product, hand: psycopg.Connection[tuple[object, ...]]) -> bool:
    with product.engine.connect() as connection:
        blocked = text("SELECT cardinality(pg_blocking_pids(:pid)) > 0")
        return bool(connection.scalar(blocked, {"pid": hand.info.backend_pid}))


@pytest.fixture
def trouble(product: Product) -> Iterator["Trouble"]:
    """A way to make the database do something when a claim is settled; gone after the test."""
    trouble = Trouble(product)
    yield trouble
    trouble.end()


class Trouble:
    """A trigger on the table of claims."""

    def __init__(self, product: Product) -> None:
        self._product = product

    def at(self, practice: GivenPractice, claims: list[str], do: str) -> None:
        """Do something whenever one of these claims is to be settled."""
        numbers = ", ".join(f"'{number}'" for number in claims)
        of_claims = f"NEW.practice_id = {practice.id} AND NEW.external_id IN ({numbers})"
        body = f"BEGIN IF {of_claims} AND NEW.billing_status = 'Settled' THEN {do} END IF; RETURN NEW; END"
        with self._product.engine.begin() as connection:
            connection.execute(text(f"CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"))
            connection.execute(
                text("CREATE TRIGGER trouble BEFORE UPDATE ON claim FOR EACH ROW EXECUTE FUNCTION trouble()")
            )

    def end(self) -> None:
        """Let the database work again."""
        with self._product.engine.begin() as connection:
            connection.execute(text("DROP FUNCTION IF EXISTS trouble CASCADE"))


def test_a_claim_that_the_database_refuses_fails_alone_with_a_code(product: Product, trouble: Trouble) -> None:
    practice = product.practice(claims=40)
    trouble.at(practice, ["C00007"], "RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation';")
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


def test_a_job_whose_claims_are_all_refused_halts_and_goes_on_when_a_person_has_seen_to_it(
    product: Product, trouble: Trouble
) -> None:
    practice = product.practice()
    numbers = practice.claims(60)
    trouble.at(practice, numbers, "RAISE EXCEPTION 'no' USING ERRCODE = 'check_violation';")
    job = product.confirm(practice, chunk_claims=10)
    product.hint(job)
    eventually(lambda: practice.progress(job).status is JobStatus.HALTED, seconds=PATIENCE_SECONDS)
    halted = practice.counts(job)
    assert halted["settled"] == 0
    assert halted["failed"] < 60, "it halts before it has failed everything"
    assert practice.violations() == []

    trouble.end()
    with transaction(product.sessions) as session:
        commands.resume(session, job, by=practice.biller, now=utc_now())
    product.hint(job)
    ended = product.wait_until_it_ends(practice, job)
    # A worker that was inside as the job halted may have failed its claim still.
    assert halted["failed"] <= ended.failed < 60
    assert ended.settled == 60 - ended.failed
    with transaction(product.sessions) as session:
        commands.retry_failed(session, job, by=practice.biller, now=utc_now())

    product.assert_all_settled(practice, job)


def test_a_claim_that_kills_its_workers_is_found_and_the_rest_is_settled(product: Product, trouble: Trouble) -> None:
    practice = product.practice(claims=2)
    trouble.at(practice, ["C00002"], "PERFORM pg_sleep(3600);")
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

    assert deaths == 6, "three with its neighbour, three alone"
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
    """A database of its own, behind a network that loses answers."""
    with databases.fresh() as url, lossy_network(url) as network:
        yield network


@pytest.fixture(scope="module")
def far_product(
    network: LossyNetwork, servers: tuple[Databases, Broker], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """A product whose workers reach the database over that network."""
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
def test_a_commit_whose_answer_is_lost_is_neither_doubled_nor_forgotten(
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


def test_a_server_that_is_restarted_and_then_killed_in_mid_job_goes_on_where_it_was(
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
                job = product.confirm(practice, chunk_claims=2)  # under the lock, or the workers would run ahead of it
                product.hint(job, times=2)
                line.wait_for_a_worker()
                end()
                postgres.start()

            product.assert_all_settled(practice, job)
            assert len(product.chunks(job)) == 4

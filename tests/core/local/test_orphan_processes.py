"""A killed run leaves files and perhaps servers; neither disturbs the next run."""

import os
from pathlib import Path

import psycopg
import pytest

from core.local.broker import Broker
from core.local.guardian import Guardian
from core.local.postgres import OtherPostgresVersion, Postgres
from tests.servers import broker_client
from tests.waiting import eventually


def postgres_in(folder: Path, guardian: Guardian) -> Postgres:
    return Postgres(folder / "postgres", guardian, log=folder / "postgres.log")


def write_a_row(server: Postgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE committed AS SELECT 1 AS row")


def rows_in(server: Postgres) -> int | None:
    with psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT row FROM committed").fetchone()
    return found[0] if found else None


def test_a_killed_database_restarts_with_its_committed_data(folder: Path, guardian: Guardian) -> None:
    with postgres_in(folder, guardian) as server:
        write_a_row(server)
        server.child.kill()

        server.start()

        assert rows_in(server) == 1


def test_a_pid_file_that_names_an_unrelated_process_does_not_block_the_start(folder: Path, guardian: Guardian) -> None:
    with postgres_in(folder, guardian) as server:
        write_a_row(server)
        pid_file = folder / "postgres" / "data" / "postmaster.pid"
        text = pid_file.read_text()
        server.stop()
        # This test's own process: alive, and no PostgreSQL.
        pid_file.write_text(text.replace(str(server.child.pid), str(os.getppid()), 1))

        server.start()

        assert rows_in(server) == 1


def test_a_database_server_that_outlived_its_run_is_ended_first(folder: Path, guardian: Guardian) -> None:
    with postgres_in(folder, guardian) as orphan, postgres_in(folder, guardian) as server:
        assert not orphan.child.is_running()
        write_a_row(server)


def test_data_of_another_major_version_is_refused_with_the_remedy(folder: Path, guardian: Guardian) -> None:
    with postgres_in(folder, guardian) as server:
        server.stop()
        (folder / "postgres" / "data" / "PG_VERSION").write_text("13\n")

        with pytest.raises(OtherPostgresVersion, match="PostgreSQL 13 created the database"):
            server.start()


def test_a_broker_that_outlived_its_run_is_ended_first_and_hints_are_kept(folder: Path, guardian: Guardian) -> None:
    orphan = Broker(folder / "broker", guardian, log=folder / "broker.log")
    orphan.start()
    broker_client(orphan.url).rpush("settle", "a hint")

    with Broker(folder / "broker", guardian, log=folder / "broker.log") as broker:
        eventually(lambda: not orphan.child.is_running())
        assert broker_client(broker.url).llen("settle") == 1


def test_the_socket_of_a_killed_broker_does_not_block_the_start(folder: Path, guardian: Guardian) -> None:
    with Broker(folder / "broker", guardian, log=folder / "broker.log") as broker:
        broker.child.kill()

        broker.start()

        assert broker_client(broker.url).ping()

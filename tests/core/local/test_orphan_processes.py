"""A run that was killed leaves files and perhaps servers; the next run is not bothered by either."""

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
        connection.execute("CREATE TABLE kept AS SELECT 1 AS row")


def rows_in(server: Postgres) -> int | None:
    with psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT row FROM kept").fetchone()
    return found[0] if found else None


def test_a_killed_database_starts_again_with_what_was_committed(folder: Path, guardian: Guardian) -> None:
    with postgres_in(folder, guardian) as server:
        write_a_row(server)
        server.child.kill()

        server.start()

        assert rows_in(server) == 1


def test_a_pid_file_that_names_an_unrelated_process_is_no_obstacle(folder: Path, guardian: Guardian) -> None:
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
    with postgres_in(folder, guardian) as left, postgres_in(folder, guardian) as server:
        assert not left.child.is_running()
        write_a_row(server)


def test_data_of_another_major_version_is_refused_with_the_cure(folder: Path, guardian: Guardian) -> None:
    with postgres_in(folder, guardian) as server:
        server.stop()
        (folder / "postgres" / "data" / "PG_VERSION").write_text("13\n")

        with pytest.raises(OtherPostgresVersion, match="PostgreSQL 13 created the database"):
            server.start()


def test_a_broker_that_outlived_its_run_is_ended_first_and_hints_are_kept(folder: Path, guardian: Guardian) -> None:
    left = Broker(folder / "broker", guardian, log=folder / "broker.log")
    left.start()
    broker_client(left.url).rpush("settle", "a hint")

    with Broker(folder / "broker", guardian, log=folder / "broker.log") as broker:
        eventually(lambda: not left.child.is_running())
        assert broker_client(broker.url).llen("settle") == 1


def test_the_socket_of_a_killed_broker_is_no_obstacle(folder: Path, guardian: Guardian) -> None:
    with Broker(folder / "broker", guardian, log=folder / "broker.log") as broker:
        broker.child.kill()

        broker.start()

        assert broker_client(broker.url).ping()

"""Processes start in any order: each waits for a migrated database, logs it once, and stops properly."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from core.db.engine import make_engine
from core.local.broker import Broker
from core.local.connectivity import free_port
from core.local.guardian import Guardian, StopPolicy
from core.local.postgres import Postgres
from tests.acceptance.own_postgres import own_postgres
from tests.acceptance.product import PATIENCE_SECONDS
from tests.http_client import ask
from tests.servers import Databases
from tests.waiting import eventually

COMMANDS = {
    "web": ("web",),
    "settle": ("worker", "--queue", "settle"),
    "control": ("worker", "--queue", "control"),
    "beat": ("beat",),
}
AWAY = '"cause": "no_socket"'
NOT_MIGRATED = '"cause": "not_migrated"'


class Process:
    """One `settle` process of an installation."""

    def __init__(self, guardian: Guardian, name: str, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / f"{name}.log"
        argv = [sys.executable, "-m", "core.cli", *COMMANDS[name]]
        self.child = guardian.start(argv, log=self.log, env=environment, ending=StopPolicy())

    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_until_it_logs(self, words: str) -> None:
        def is_logged() -> bool:
            assert self.child.is_running(), self.log_text()
            return words in self.log_text()

        eventually(is_logged, seconds=PATIENCE_SECONDS)

    def stop(self) -> int:
        """Request a stop. Return the exit code."""
        self.child.request_stop()
        return self.child.process.wait(PATIENCE_SECONDS)


class Installation:
    """The four kinds of processes on one database, started while its server is down."""

    def __init__(self, guardian: Guardian, server: Postgres, url: str, broker: Broker, folder: Path) -> None:
        self.server, self.url = server, url
        self.port = free_port("127.0.0.1", 0)
        given = {
            "DATABASE_URL": url, "BROKER_URL": broker.url, "DATA_DIR": str(folder), "WEB_PORT": str(self.port),
            "SECRET_KEY": "k" * 40,
        }  # fmt: skip
        environment = {**os.environ, **{f"SETTLE_{name}": value for name, value in given.items()}}
        self.environment = environment
        self.processes = {name: Process(guardian, name, folder, environment) for name in COMMANDS}

    def ask(self, path: str) -> tuple[int, dict[str, object]]:
        """Send a request to the web process. Return status and body, or 0 while it does not listen."""
        try:
            answer = ask(self.port, "GET", path)
        except OSError:
            return 0, {}
        return answer.status, answer.json


@pytest.fixture
def installation(servers: tuple[Databases, Broker], tmp_path: Path) -> Iterator[Installation]:
    """Yield all processes, started without a database server."""
    with Guardian() as guardian, own_postgres() as (server, _):
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE without_tables")
        url = make_url(server.url).set(database="without_tables").render_as_string(hide_password=False)
        server.stop()
        yield Installation(guardian, server, url, servers[1], tmp_path)


def test_each_process_waits_for_the_migrated_database_and_records_its_stop(installation: Installation) -> None:
    processes = installation.processes
    for process in processes.values():
        process.wait_until_it_logs(AWAY)
    assert eventually(lambda: installation.ask("/healthz")[0], seconds=PATIENCE_SECONDS) == 200
    status, answer = installation.ask("/readyz")
    assert (status, answer["cause"]) == (503, "no_socket")

    installation.server.start()
    for process in processes.values():
        process.wait_until_it_logs(NOT_MIGRATED)
    assert installation.ask("/readyz")[1]["cause"] == "not_migrated"

    argv = [sys.executable, "-m", "core.cli", "migrate"]
    subprocess.run(argv, env=installation.environment, check=True, capture_output=True)
    for name in ("settle", "control"):
        processes[name].wait_until_it_logs(" ready.")
    for process in processes.values():
        process.wait_until_it_logs("database_is_ready")
        assert process.log_text().count(AWAY) == process.log_text().count(NOT_MIGRATED) == 1, "logged once each"
    eventually(lambda: len(_kinds(installation, "TRUE")) == len(processes), seconds=PATIENCE_SECONDS)
    eventually(lambda: installation.ask("/readyz")[0] == 200, seconds=PATIENCE_SECONDS)

    assert {name: process.stop() for name, process in processes.items()} == dict.fromkeys(COMMANDS, 0)
    assert _kinds(installation, "stopped_at IS NULL") == [], "each process recorded its stop"


def test_a_waiting_process_stops_on_request(installation: Installation) -> None:
    for process in installation.processes.values():
        process.wait_until_it_logs(AWAY)

    codes = {name: process.stop() for name, process in installation.processes.items()}

    assert codes == dict.fromkeys(COMMANDS, 0)


def _kinds(installation: Installation, condition: str) -> list[str]:
    engine = make_engine(installation.url, pool_size=1)
    try:
        with engine.connect() as connection:
            found = connection.scalars(text(f"SELECT kind FROM watch_process WHERE {condition} ORDER BY kind"))
            return list(found)
    finally:
        engine.dispose()

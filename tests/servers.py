"""The servers of a test run: one PostgreSQL and one Valkey for each pytest process, gone when it is gone."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql
from sqlalchemy import make_url

from core.db.engine import migrate
from core.local.broker import Broker
from core.local.guardian import Guardian
from core.local.postgres import Postgres

TEMPLATE: Final = "settle_template"
# The suite runs on another PostgreSQL where this names a bin folder, such as /usr/lib/postgresql/15/bin.
PROGRAMS: Final = "SETTLE_TEST_POSTGRES"

_numbers = itertools.count(1)


class Databases:
    """A server with a migrated template; every test gets a copy of its own in tens of milliseconds."""

    def __init__(self, server: Postgres) -> None:
        """Migrate the template once."""
        self.server = server
        self._run("CREATE DATABASE {}", TEMPLATE)
        migrate(self.url_of(TEMPLATE))

    def url_of(self, name: str) -> str:
        """The URL of one database of the server."""
        return make_url(self.server.url).set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """A migrated, empty database, dropped at the end even if somebody is still connected; give its URL."""
        name = f"test_{next(_numbers)}"
        self._run("CREATE DATABASE {} TEMPLATE {}", name, TEMPLATE)
        try:
            yield self.url_of(name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    @contextmanager
    def empty(self) -> Iterator[str]:
        """A database without a single table, for tests of the migrations; give its URL."""
        name = f"test_{next(_numbers)}"
        self._run("CREATE DATABASE {}", name)
        try:
            yield self.url_of(name)
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def running_servers() -> Iterator[tuple[Databases, Broker]]:
    """Start both; end both, and remove their files."""
    # Not pytest's own temporary folder: its mode is 700, and root's PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="settle-"))
    folder.chmod(0o711)
    chosen = os.environ.get(PROGRAMS)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        guardian = stack.enter_context(Guardian())
        postgres = Postgres(
            folder / "postgres",
            guardian,
            log=folder / "postgres.log",
            durable=False,
            programs=Path(chosen) if chosen else None,
        )
        broker = Broker(folder / "broker", guardian, log=folder / "broker.log")
        yield Databases(stack.enter_context(postgres)), stack.enter_context(broker)


def broker_client(url: str) -> redis.Redis:
    """A client for a broker's URL in Celery's form."""
    return redis.Redis(unix_socket_path=urlsplit(url).path)

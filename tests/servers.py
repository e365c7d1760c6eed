"""The servers of a test run: one PostgreSQL and one Valkey for each pytest process. They end with that process."""

import fcntl
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis
from psycopg import sql
from sqlalchemy import make_url

from core.local.broker import Broker
from core.local.guardian import Guardian
from core.local.postgres import Postgres
from core.migrations.run import migrate_database
from tests import emptying, kept_connections

TEMPLATE: Final = "settle_template"
# If set to a bin folder such as /usr/lib/postgresql/15/bin, the suite runs on that PostgreSQL.
PROGRAMS: Final = "SETTLE_TEST_POSTGRES"

# Copying a database takes 15 ms in memory, and 300 ms on a busy disk.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 – the folder that we make in it has an unguessable name
_MEMORY_BYTES_MIN: Final = 6 * 1024**3  # three pytest processes, each with a gigabyte of WAL, and their databases
_PREFIX: Final = "settle-test-"
_ABANDONED_AFTER_SECONDS: Final = 60

_numbers = itertools.count(1)


class Databases:
    """A server with a migrated template. Each test gets its own copy, new or emptied, in milliseconds."""

    def __init__(self, server: Postgres) -> None:
        """Migrate the template once."""
        self.server = server
        self._used: list[str] = []
        self._to_empty: list[str] = []
        self._emptiers: dict[str, emptying.Connection] = {}
        with psycopg.connect(self._superuser_url("postgres"), autocommit=True) as connection:
            # Tests look at what the other roles wait for, and end their sessions.
            connection.execute("GRANT pg_read_all_stats, pg_signal_backend TO settle")
        self._run("CREATE DATABASE {}", TEMPLATE)
        migrate_database(self.url_of(TEMPLATE))
        self._template = emptying.Template.read(self._superuser_url(TEMPLATE))

    def url_of(self, name: str) -> str:
        """Return the URL of one of the server's databases."""
        return make_url(self.server.url).set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Yield the URL of a migrated, empty database. The next test gets it if it can be emptied."""
        name = self._emptied() or self._make("CREATE DATABASE {} TEMPLATE {}", TEMPLATE)
        try:
            yield self.url_of(name)
        finally:
            self._to_empty.append(name)

    def _emptied(self) -> str | None:
        while self._to_empty:
            name = self._to_empty.pop()
            if emptying.empty(self._emptier(name), template=self._template, kept=kept_connections.pids(name)):
                return name
            self._used.append(name)
        return None

    def _emptier(self, name: str) -> emptying.Connection:
        """Return a connection that stays open, because a new one reads the catalogs again."""
        if name not in self._emptiers:
            self._emptiers[name] = psycopg.connect(self._superuser_url(name), autocommit=True)
        return self._emptiers[name]

    def disconnect(self, name: str) -> None:
        """Close the connections that stay open between the tests on a database."""
        kept_connections.close(name)
        if emptier := self._emptiers.pop(name, None):
            emptier.close()

    def close(self) -> None:
        """Close the connections that empty databases."""
        for emptier in self._emptiers.values():
            emptier.close()

    @contextmanager
    def copied(self, url: str) -> Iterator[str]:
        """Yield the URL of a copy of a database that has no clients. Drop it afterwards, even if it has one."""
        database = make_url(url).database
        assert database is not None
        self.disconnect(database)
        with self._made("CREATE DATABASE {} TEMPLATE {}", database) as copy:
            yield copy

    @contextmanager
    def empty(self) -> Iterator[str]:
        """Yield the URL of a database without tables, for tests of the migrations."""
        with self._made("CREATE DATABASE {}") as url:
            yield url

    @contextmanager
    def _made(self, statement: str, *names: str) -> Iterator[str]:
        name = self._make(statement, *names)
        try:
            yield self.url_of(name)
        finally:
            self._used.append(name)

    def _make(self, statement: str, *names: str) -> str:
        # Drop earlier databases only now that their connections have ended, because PostgreSQL sleeps 100 ms on an
        # ending one.
        while self._used:
            self._drop(self._used.pop())
        name = f"test_{next(_numbers)}"
        self._run(statement, name, *names)
        return name

    def _drop(self, name: str) -> None:
        self.disconnect(name)
        # Only the superuser can end an autovacuum that runs in the database.
        with psycopg.connect(self._superuser_url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _superuser_url(self, name: str) -> str:
        url = make_url(self.server.url).set(username="postgres", database=name)
        return url.render_as_string(hide_password=False)

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def running_servers() -> Iterator[tuple[Databases, Broker]]:
    """Start both servers. At the end, stop them and remove their files."""
    chosen = os.environ.get(PROGRAMS)
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        guardian = stack.enter_context(Guardian())
        postgres = Postgres(
            folder / "postgres",
            guardian,
            log=folder / "postgres.log",
            durable=False,
            programs=Path(chosen) if chosen else None,
        )
        broker = Broker(folder / "broker", guardian, log=folder / "broker.log")
        databases = Databases(stack.enter_context(postgres))
        stack.callback(databases.close)
        yield databases, stack.enter_context(broker)


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield a folder, in memory if there is enough. Remove it afterward, along with the folders of killed runs."""
    inside = _MEMORY if _has_room(_MEMORY) else Path(tempfile.gettempdir())
    for other in inside.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(other)
    # Not pytest's own temporary folder: its mode is 700, and PostgreSQL runs under a different account than root.
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=inside))
    folder.chmod(0o711)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # locked until this process ends, for whatever reason
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _has_room(folder: Path) -> bool:
    """Return True if the folder has room for all databases of a run."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _MEMORY_BYTES_MIN


def _remove_if_abandoned(folder: Path) -> None:
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:  # removed by another run, or owned by another account
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.time() - folder.stat().st_mtime > _ABANDONED_AFTER_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(held)


def broker_client(url: str) -> redis.Redis:
    """Return a client for a broker's URL in Celery's form."""
    parts = urlsplit(url)
    return redis.Redis(unix_socket_path=parts.path, db=int(parse_qs(parts.query)["virtual_host"][0]))

"""The servers of a test run: one PostgreSQL and one Valkey for each pytest process, gone when it is gone."""

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
from urllib.parse import urlsplit

import psycopg
import redis
from psycopg import sql
from sqlalchemy import make_url

from core.local.broker import Broker
from core.local.guardian import Guardian
from core.local.postgres import Postgres
from core.migrations.run import migrate

TEMPLATE: Final = "settle_template"
# The suite runs on another PostgreSQL where this names a bin folder, such as /usr/lib/postgresql/15/bin.
PROGRAMS: Final = "SETTLE_TEST_POSTGRES"

# A database is copied in 15 ms in memory, and in 300 ms on a disk that others use too.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 – the folder that we make in it has a name that nobody can guess
_MEMORY_BYTES_MIN: Final = 4 * 1024**3  # two pytest processes, each with a gigabyte of log and its databases
_PREFIX: Final = "settle-test-"
_ABANDONED_AFTER_SECONDS: Final = 60

_numbers = itertools.count(1)


class Databases:
    """A server with a migrated template; every test gets a copy of its own in tens of milliseconds."""

    def __init__(self, server: Postgres) -> None:
        """Migrate the template once."""
        self.server = server
        self._used: list[str] = []
        self._run("CREATE DATABASE {}", TEMPLATE)
        migrate(self.url_of(TEMPLATE))

    def url_of(self, name: str) -> str:
        """The URL of one database of the server."""
        return make_url(self.server.url).set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """A migrated, empty database, gone afterwards even if somebody is still connected; give its URL."""
        with self._made("CREATE DATABASE {} TEMPLATE {}", TEMPLATE) as url:
            yield url

    @contextmanager
    def empty(self) -> Iterator[str]:
        """A database without a single table, for tests of the migrations; give its URL."""
        with self._made("CREATE DATABASE {}") as url:
            yield url

    @contextmanager
    def _made(self, statement: str, *names: str) -> Iterator[str]:
        # Those of before, now that their connections have ended: PostgreSQL would sleep 100 ms on one that is ending.
        while self._used:
            self._drop(self._used.pop())
        name = f"test_{next(_numbers)}"
        self._run(statement, name, *names)
        try:
            yield self.url_of(name)
        finally:
            self._used.append(name)

    def _drop(self, name: str) -> None:
        # As the superuser: nobody else may end an autovacuum that is at work in it.
        url = make_url(self.server.url).set(username="postgres", database="postgres")
        with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def running_servers() -> Iterator[tuple[Databases, Broker]]:
    """Start both; end both, and remove their files."""
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
        yield Databases(stack.enter_context(postgres)), stack.enter_context(broker)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder in memory where there is enough of it, removed afterwards; those of killed runs go too."""
    inside = _MEMORY if _has_room(_MEMORY) else Path(tempfile.gettempdir())
    for other in inside.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(other)
    # Not pytest's own temporary folder: its mode is 700, and root's PostgreSQL runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=inside))
    folder.chmod(0o711)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # until this process is gone, however it goes
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _has_room(folder: Path) -> bool:
    """Tell whether all of a run's databases can be there."""
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= _MEMORY_BYTES_MIN


def _remove_if_abandoned(folder: Path) -> None:
    try:
        held = os.open(folder, os.O_RDONLY)
    except OSError:  # gone meanwhile, or somebody else's
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
    """A client for a broker's URL in Celery's form."""
    return redis.Redis(unix_socket_path=urlsplit(url).path)

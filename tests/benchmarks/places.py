"""The servers of a benchmark: used by this run alone, on copied databases, as durable as those of `settle up`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from core.local.broker import Broker
from core.local.guardian import Guardian
from core.local.postgres import Postgres
from core.migrations.run import migrate_database
from tests.folders import open_folder

_SHOWN: Final = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size", "wal_level")


class Place:
    """A running PostgreSQL and a running broker."""

    def __init__(self, folder: Path, guardian: Guardian, postgres: Postgres, broker: Broker) -> None:
        """Keep what is running."""
        self.folder = folder
        self.guardian = guardian
        self.postgres = postgres
        self.broker_url = broker.url

    def url(self, database: str, *, superuser: bool = False) -> str:
        """Return the URL of a database, for the product's role or for a superuser."""
        url = make_url(self.postgres.url).set(database=database)
        return (url.set(username="postgres") if superuser else url).render_as_string(hide_password=False)

    def migrated(self, database: str) -> str:
        """Create an empty database with every table. Return its name."""
        self.empty(database)
        migrate_database(self.url(database))
        return database

    def empty(self, database: str) -> None:
        """Create an empty database without tables."""
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)
        self._run("CREATE DATABASE {} OWNER settle", database)

    @contextmanager
    def copy_of(self, database: str, name: str) -> Iterator[str]:
        """Yield the URL of a copy of a database, made file by file so that each contestant starts with the same pages.

        Drop the copy at the end.
        """
        self._run("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._run("CREATE DATABASE {} TEMPLATE {} OWNER settle STRATEGY file_copy", name, database)
        self.settle_down()
        try:
            yield name
        finally:
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def settle_down(self) -> None:
        """Write out dirty pages, so that no contestant pays for another one's writes."""
        self._run("CHECKPOINT")

    def run_in(self, database: str, statement: str) -> None:
        """Run a statement in a database as the superuser."""
        with psycopg.connect(self.url(database, superuser=True), autocommit=True) as connection:
            connection.execute(statement.encode())

    def settings(self) -> str:
        """Return the settings for durability and memory."""
        with psycopg.connect(self.url("postgres", superuser=True), autocommit=True) as connection:
            shown = [connection.execute(f"SHOW {name}").fetchone() for name in _SHOWN]
            version = connection.info.server_version // 10_000
        values = ", ".join(f"{name} {row[0]}" for name, row in zip(_SHOWN, shown, strict=True) if row)
        return f"PostgreSQL {version}: {values}"

    def _run(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.url("postgres", superuser=True), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def running() -> Iterator[Place]:
    """Start the servers of this run. At the end, stop them and remove their files."""
    with (
        open_folder() as folder,
        Guardian() as guardian,
        Postgres(folder / "postgres", guardian, log=folder / "postgres.log") as postgres,
        Broker(folder / "broker", guardian, log=folder / "broker.log") as broker,
    ):
        yield Place(folder, guardian, postgres, broker)

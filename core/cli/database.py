"""Connect to the database, for the commands on the server. A client of the API does not import this."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.cli import context
from core.db.engine import Sessions, make_sessions
from core.errors import Refusal
from core.local.connectivity import connected_engine
from core.migrations.revisions import missing_migration


class NotMigrated(Refusal):
    """The database is not migrated to this version. Run settle migrate."""


@contextmanager
def engine(*, pool_size: int = 1) -> Iterator[Engine]:
    """Yield an engine for a reachable and migrated database, as its owner.

    Raise `NoRunningServers`, `DatabaseUnavailable` and `NotMigrated`.
    """
    with connected_engine(context.owner_database_url(), pool_size=pool_size) as engine:
        if cause := missing_migration(engine):
            raise NotMigrated(cause.sentence)
        yield engine


@contextmanager
def sessions() -> Iterator[Sessions]:
    """Yield a session factory for the database. Raise as `engine` does."""
    with engine() as found:
        yield make_sessions(found)


@contextmanager
def transaction() -> Iterator[Session]:
    """Run one transaction in the database. Raise as `engine` does."""
    with sessions() as found, found.begin() as session:
        yield session

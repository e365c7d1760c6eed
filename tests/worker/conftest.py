"""Workers that the tests of a module share, if they neither stop a worker nor count the rows of a whole table."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest

from core.db.engine import Sessions, make_sessions
from core.local.broker import Broker
from tests.kept_connections import keep
from tests.servers import Databases, broker_client
from tests.shared_app import engine_on
from tests.workers import Workers, running_workers

DATABASE: Final = 3  # of the broker, apart from the one that each test empties


@dataclass(frozen=True)
class Shared:
    """Real workers for both queues, and their database and broker."""

    workers: Workers
    sessions: Sessions
    broker_url: str


@pytest.fixture(scope="module")
def shared(servers: tuple[Databases, Broker], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """Yield workers for the tests of a module."""
    databases, broker = servers
    broker_url = broker.url_of(DATABASE)
    broker_client(broker_url).flushdb()
    folder = tmp_path_factory.mktemp("workers")
    with (
        databases.fresh() as url,
        running_workers(folder=folder, database_url=url, broker_url=broker_url) as workers,
    ):
        engine = engine_on(url)
        yield Shared(workers, make_sessions(engine), broker_url)
        keep(engine)

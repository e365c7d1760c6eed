"""A test's own PostgreSQL, which the test can stop, kill and start again, and one behind a lossy network."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from core.local.guardian import Guardian, StopPolicy
from core.local.postgres import Postgres
from tests.acceptance.product import PATIENCE_SECONDS
from tests.folders import open_folder
from tests.servers import Databases
from tests.waiting import eventually

SOCKET = ".s.PGSQL.5432"


@contextmanager
def own_postgres() -> Iterator[tuple[Postgres, str]]:
    """Yield a server and the URL of a migrated database on it."""
    with (
        open_folder() as folder,
        Guardian() as guardian,
        Postgres(folder / "postgres", guardian, log=folder / "postgres.log") as server,
        Databases(server).fresh() as url,
    ):
        yield server, url


class LossyNetwork:
    """A connection to a database that can lose the answer to a COMMIT."""

    def __init__(self, url: str, order: Path) -> None:
        self.url = url
        self._order = order

    def lose_the_answer_to_the_commit_after(self, statement: str) -> None:
        """Lose it once, at the next transaction with these words in a statement."""
        written = self._order.with_suffix(".new")
        written.write_text(statement)
        written.rename(self._order)

    def wait_until_it_is_lost(self) -> None:
        """Wait until the answer is lost."""
        eventually(lambda: not self._order.exists(), seconds=PATIENCE_SECONDS)


@contextmanager
def lossy_network(database_url: str) -> Iterator[LossyNetwork]:
    """Start the proxy in front of the database."""
    url = make_url(database_url)
    target = f"{url.query['host']}/{SOCKET}"
    with open_folder() as folder, Guardian() as guardian:
        words = [sys.executable, "-m", "tests.acceptance.lossy_proxy", folder / SOCKET, target, folder / "order"]
        guardian.start(words, log=folder / "proxy.log", ending=StopPolicy())
        eventually((folder / SOCKET).exists, seconds=PATIENCE_SECONDS)
        through = url.set(query={"host": str(folder)}).render_as_string(hide_password=False)
        yield LossyNetwork(through, folder / "order")

"""A practice that several tests start from: built once, and copied for each test, which may then change it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from core.db.engine import make_sessions
from tests.factories import GivenPractice, a_practice
from tests.servers import Databases
from tests.shared_app import engine_on


class World:
    """A database with a practice that no longer changes."""

    def __init__(self, databases: Databases, url: str, practice: GivenPractice) -> None:
        """Keep both. Leave no connection to the database open, so that PostgreSQL can copy it."""
        self._databases, self._url, self._practice = databases, url, practice

    @contextmanager
    def copied(self) -> Iterator[GivenPractice]:
        """Yield the practice in its own copy of the database."""
        with self._databases.copied(self._url) as url:
            engine = engine_on(url)
            yield replace(self._practice, sessions=make_sessions(engine))
            engine.dispose()


@contextmanager
def a_world(databases: Databases, build: Callable[[GivenPractice], object]) -> Iterator[World]:
    """Yield a world with a practice to which `build` added what the tests need."""
    with databases.fresh() as url:
        engine = engine_on(url)
        practice = a_practice(make_sessions(engine))
        build(practice)
        engine.dispose()
        yield World(databases, url, practice)

"""A practice that several tests start from: built once, read by all, and copied for each test that changes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from sqlalchemy import Engine, make_url

from core.db.engine import make_sessions
from tests.factories import GivenPractice, a_practice
from tests.servers import Databases
from tests.shared_app import engine_on


class World:
    """A database with a practice that no longer changes."""

    def __init__(self, databases: Databases, url: str, practice: GivenPractice) -> None:
        """Keep both. Leave no connection to the database open, so that PostgreSQL can copy it."""
        self._databases, self._url, self._practice = databases, url, practice

    @cached_property
    def _reader(self) -> Engine:
        read_only = {"options": "-c default_transaction_read_only=on"}
        return engine_on(make_url(self._url).update_query_dict(read_only).render_as_string(hide_password=False))

    @property
    def shared(self) -> GivenPractice:
        """Return the practice for a test that changes nothing: the server refuses each write."""
        return replace(self._practice, sessions=make_sessions(self._reader))

    def close(self) -> None:
        """Close the connections of `shared`."""
        self._reader.dispose()

    @contextmanager
    def copied(self) -> Iterator[GivenPractice]:
        """Yield the practice in its own copy of the database."""
        self.close()
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
        world = World(databases, url, practice)
        yield world
        world.close()

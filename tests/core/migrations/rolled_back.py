"""Share the rows of a database between tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def rolled_back(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """Yield the connection in a transaction that is rolled back. Deferred constraints are checked at once."""
    with connection.transaction(force_rollback=True):
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        yield connection

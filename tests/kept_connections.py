"""Connections that a test leaves open for the next test on its database.

A new connection reads the catalogs again, which takes longer than most tests use it.
"""

from collections import defaultdict

from sqlalchemy import Engine, Pool

from tests.waiting import eventually

_pools: defaultdict[str | None, list[tuple[Pool, list[int]]]] = defaultdict(list)


def keep(engine: Engine) -> None:
    """Leave the engine's connections open for the next engine on its database. Wait for those that are in use."""
    eventually(lambda: not engine.pool.checkedout())  # a request may still be in progress on a server's thread
    idle = [engine.raw_connection() for _ in range(engine.pool.checkedin())]
    pids = [connection.driver_connection.info.backend_pid for connection in idle]
    for connection in idle:
        connection.close()  # it goes back to the pool
    _pools[engine.url.database].append((engine.pool, pids))


def adopt(engine: Engine) -> None:
    """Give a new engine the connections that an earlier one left open."""
    if left := _pools[engine.url.database]:
        engine.pool, _ = left.pop()


def pids(database: str) -> list[int]:
    """Return the ids of the server's processes for the open connections."""
    return [pid for _, pids in _pools[database] for pid in pids]


def close(database: str) -> None:
    """Close the connections that were left open."""
    for pool, _ in _pools.pop(database, []):
        pool.dispose()

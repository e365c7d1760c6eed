"""Connections that a test leaves open for the next test on its database.

A new connection reads the catalogs again, which takes longer than most tests use it.
"""

from collections import defaultdict

from sqlalchemy import Engine, Pool, make_url

from core.db.engine import make_engine
from tests.roles import as_web
from tests.waiting import eventually

_pools: defaultdict[str | None, list[tuple[Pool, list[int]]]] = defaultdict(list)
_web_engines: dict[str | None, Engine] = {}


def keep(engine: Engine) -> None:
    """Leave the engine's connections open for the next engine on its database. Wait for those that are in use."""
    _pools[engine.url.database].append((engine.pool, _idle_pids(engine)))


def _idle_pids(engine: Engine) -> list[int]:
    eventually(lambda: not engine.pool.checkedout())  # a request may still be in progress on a server's thread
    idle = [engine.raw_connection() for _ in range(engine.pool.checkedin())]
    pids = [connection.driver_connection.info.backend_pid for connection in idle]
    for connection in idle:
        connection.close()  # it goes back to the pool
    return pids


def adopt(engine: Engine) -> None:
    """Give a new engine the connections that an earlier one left open."""
    if left := _pools[engine.url.database]:
        engine.pool, _ = left.pop()


def web_engine(url: str) -> Engine:
    """Return the engine of the web application on this database. Its connections stay open for the next test."""
    given = make_url(url)
    if given.database not in _web_engines:
        _web_engines[given.database] = make_engine(as_web(url))
    return _web_engines[given.database]


def pids(database: str) -> list[int]:
    """Return the ids of the server's processes for the open connections."""
    return [pid for _, pids in _pools[database] for pid in pids] + _pids_of_web(database)


def _pids_of_web(database: str) -> list[int]:
    if database not in _web_engines:
        return []
    return _idle_pids(_web_engines[database])


def close(database: str) -> None:
    """Close the connections that were left open."""
    for pool, _ in _pools.pop(database, []):
        pool.dispose()
    if engine := _web_engines.pop(database, None):
        engine.dispose()

"""Objects that a test process creates once and lends to each test, because they never differ and are slow to create."""

import datetime as dt
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from flask import Flask
from psycopg import _queries
from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache

from core.db.engine import make_engine, make_sessions
from core.settings import Settings
from tests import kept_connections
from webui.app import create_app
from webui.shared import hints
from webui.shared.app_context import AppContext, HintSender
from webui.shared.failed_sign_ins import limiter

_STATEMENTS_KEPT = 2_000
# psycopg keeps 128 converted statements of up to 4,096 characters, but the tests of a process execute thousands.
_queries.MAX_CACHED_STATEMENT_LENGTH = 100_000
_queries._query2pg = lru_cache(_STATEMENTS_KEPT)(_queries._query2pg_nocache)
_compiled: LRUCache[Any, Any] = LRUCache(_STATEMENTS_KEPT)
_dialects: list[Dialect] = []


def engine_on(url: str) -> Engine:
    """Return an engine like the product's. It shares compiled statements with this process's other engines."""
    engine = make_engine(url)
    _share_compiled(engine)
    kept_connections.adopt(engine)
    return engine


def _share_compiled(engine: Engine) -> None:
    if not _dialects:
        with engine.connect():  # a dialect asks the server for its version at the first connection
            _dialects.append(engine.dialect)
    engine.dialect = _dialects[0]  # the cache of compiled statements is keyed by the dialect
    engine.update_execution_options(compiled_cache=_compiled)


def application(
    engine: Engine,
    clock: Callable[[], dt.datetime],
    *,
    settings: Settings | None = None,
    hints_: HintSender | None = None,
    name: str = "one",
) -> Flask:
    """Return the application on this database, with that clock. It connects with the role of web processes.

    There is one application for each `name`; it uses the last caller's database and clock. Do not test /readyz and
    /metrics with it: they use the database that the application was created with.
    """
    settings = settings or Settings(database_url=None, broker_url=None)
    app = _application(name)
    limiter.reset()  # forget the counted sign-in attempts
    engine = kept_connections.web_engine(engine.url.render_as_string(hide_password=False))
    _share_compiled(engine)
    app.extensions["settle"] = AppContext(
        engine, make_sessions(engine), settings, hints_ or hints.make_hints(settings), clock
    )
    return app


@cache
def _application(name: str) -> Flask:
    nowhere = make_engine("postgresql://absent@127.0.0.1:1/none")
    return create_app(
        Settings(secret_key="a key of tests, long enough to sign with", database_url=None, broker_url=None), nowhere
    )

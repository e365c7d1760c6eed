"""Real servers for every test that needs one. Nothing is mocked, and tests share no state."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from argon2 import PasswordHasher
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from core.access import passwords
from core.db import locks
from core.db.engine import Sessions, make_sessions
from core.local.broker import Broker
from tests import promises, repeats, rewriting
from tests.kept_connections import keep
from tests.servers import Databases, broker_client, running_servers
from tests.shared_app import engine_on
from tests.spreading import spread
from tests.workers import Workers, running_workers


def pytest_configure(config: pytest.Config) -> None:
    """Repeat less in `make test`."""
    repeats.is_quick = config.getoption("markexpr") == "not slow"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Rewrite assertions once for all processes."""
    rewriting.rewrite_all(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without garbage collection, because it would visit each of the thousands of tests many times."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that only `make test-all` runs, and mix those that wait with those that compute."""
    for item in items:
        if promises.is_slow(item.path, item.originalname if isinstance(item, pytest.Function) else item.name):
            item.add_marker(pytest.mark.slow)
    items[:] = spread(items)


def pytest_collection_finish() -> None:
    """Exempt the collected tests from garbage collection afterward too."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Log to the terminal without structlog's colors and locals, because they take seconds per error."""
    to_terminal = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, to_terminal]
    )


@pytest.fixture(scope="session", autouse=True)
def product_hasher() -> Iterator[PasswordHasher]:
    """Hash passwords cheaply in this process, because hundreds of tests add a user. Yield the product's own hasher."""
    hasher = passwords._HASHER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=32, parallelism=1))
        yield hasher


@pytest.fixture
def short_lock_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lock waits fail after a tenth of a second; in the product, they fail after five seconds."""
    monkeypatch.setattr(locks, "LOCK_TIMEOUT", "100ms")


@pytest.fixture(scope="session")
def servers() -> Iterator[tuple[Databases, Broker]]:
    """Start PostgreSQL and Valkey at the first test that needs them. Each xdist worker has its own."""
    with running_servers() as both:
        yield both


@pytest.fixture(scope="session")
def databases(servers: tuple[Databases, Broker]) -> Databases:
    """Return the PostgreSQL server and its template."""
    return servers[0]


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """Yield the URL of a migrated, empty database for this test alone."""
    with databases.fresh() as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Yield an engine on `database_url`."""
    engine = engine_on(database_url)
    yield engine
    keep(engine)


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    """Return a session maker on `database_url`."""
    return make_sessions(engine)


@pytest.fixture
def session(sessions: Sessions) -> Iterator[Session]:
    """Yield a session on `database_url`. What the test does not commit is rolled back."""
    with sessions() as session:
        yield session


@pytest.fixture
def broker_url(servers: tuple[Databases, Broker]) -> str:
    """Return the URL of an empty broker, in Celery's form."""
    url = servers[1].url
    broker_client(url).flushdb()
    return url


@pytest.fixture
def worker(database_url: str, broker_url: str, tmp_path: Path) -> Iterator[Workers]:
    """Yield real workers for both queues, ready, on this test's database and broker."""
    with running_workers(folder=tmp_path, database_url=database_url, broker_url=broker_url) as workers:
        yield workers

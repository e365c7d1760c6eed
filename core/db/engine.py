"""Engines and transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.orm import Session, sessionmaker

Sessions = sessionmaker[Session]

_CONNECT_ARGS = {
    "connect_timeout": 5,
    # A host that vanishes is noticed in about half a minute, by both ends.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # While a query is under way that nobody acknowledged, the kernel sends it again instead of a keepalive: for a
    # quarter of an hour, without this.
    "tcp_user_timeout": 30_000,  # milliseconds
    "application_name": "settle",
    # Nothing is prepared by name: every statement is planned for its very values (a plan for any thousand ids
    # expects ten, and compares all with all), and PgBouncer may hand each transaction another connection.
    "prepare_threshold": None,
}


def make_engine(url: str, *, pool_size: int = 5, pool_timeout_seconds: int = 10) -> Engine:
    """An engine for `url` (postgresql://…) whose errors never show a statement's parameters."""
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout_seconds,
        pool_pre_ping=True,
        hide_parameters=True,  # an error text must never hold a name or an amount
        connect_args=_CONNECT_ARGS,
    )


def make_sessions(engine: Engine) -> Sessions:
    """Sessions whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: Sessions) -> Iterator[Session]:
    """One transaction: committed at the end, rolled back by any exception."""
    with sessions() as session, session.begin():
        yield session

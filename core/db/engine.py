"""Engines and transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.orm import Session, sessionmaker

from core.db.scope import of_practice

Sessions = sessionmaker[Session]

_CONNECT_ARGS = {
    "connect_timeout": 5,
    # Both ends notice within half a minute that the other host is gone.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Without this, the kernel would resend an unacknowledged query for a quarter of an hour.
    "tcp_user_timeout": 30_000,  # milliseconds
    "application_name": "settle",
    # No prepared statements. Each statement is planned for its actual values: a generic plan for a thousand ids expects
    # ten and compares all with all. PgBouncer may also give each transaction a different connection.
    "prepare_threshold": None,
}


def make_engine(url: str, *, pool_size: int = 5, pool_timeout_seconds: int = 10) -> Engine:
    """Return an engine for `url` (postgresql://…) whose errors never show a statement's parameters."""
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_timeout_seconds,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text must not contain a name or an amount
        connect_args=_CONNECT_ARGS,
    )


def make_sessions(engine: Engine) -> Sessions:
    """Return a session factory whose objects stay readable after the commit."""
    return sessionmaker(engine, expire_on_commit=False)


@contextmanager
def transaction(sessions: Sessions, practice_id: int | None = None) -> Iterator[Session]:
    """Run one transaction: commit at the end, roll back on any exception. It sees the rows of the practice given."""
    scoped = sessions if practice_id is None else of_practice(sessions, practice_id)
    with scoped() as session, session.begin():
        yield session

"""What each worker process gets: a database connection, a clock, a name and logging in our format."""

import datetime as dt
import os
import socket
from functools import cache

from celery.signals import setup_logging, worker_process_init

from core import logs, zone_database
from core.db.engine import Sessions, make_engine, make_sessions
from core.errors import BadSettings, or_raise
from core.settings import load_settings


@cache
def sessions() -> Sessions:
    """Return the sessions of this process, on one connection. Raise `BadSettings` without a database."""
    url = or_raise(load_settings().database_url, BadSettings("SETTLE_DATABASE_URL: a worker needs a database"))
    return make_sessions(make_engine(url.get_secret_value(), pool_size=1))


@cache
def progress_sessions() -> Sessions:
    """Return sessions on a second connection, which writes progress during a transaction on the first one."""
    return make_sessions(make_engine(sessions().kw["bind"].url.render_as_string(hide_password=False), pool_size=1))


@setup_logging.connect
def configure_logging(**_: object) -> None:
    """Configure logging. Celery then does not set up its own."""
    logs.configure(load_settings().log_level)
    zone_database.log_at_start(now=utc_now())


@worker_process_init.connect
def discard_parent_connection(**_: object) -> None:
    """Let a forked process open its own connection, because two processes that share one would mix up their answers."""
    for kept in (sessions, progress_sessions):
        if kept.cache_info().currsize:
            kept().kw["bind"].dispose(close=False)
            kept.cache_clear()


def utc_now() -> dt.datetime:
    """Return the current time."""
    return dt.datetime.now(dt.UTC)


def worker_name() -> str:
    """Return the name under which this process takes chunks: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"

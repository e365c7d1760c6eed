"""Find the servers for a command: from the environment, or those running in the data folder."""

import datetime as dt

from core.errors import Refusal
from core.local import run_lock
from core.settings import load_settings


class NoRunningServers(Refusal):
    """Batch Settle is not running here. Start it with "make run", or set the URL of a server."""

    code = "nothing_runs"


def owner_database_url() -> str:
    """Return the database's URL for commands that change the schema, or read or write any practice.

    Raise `NoRunningServers`.
    """
    given = load_settings().owner_database_url or load_settings().database_url
    return given.get_secret_value() if given else _running_servers("SETTLE_DATABASE_URL").database_url


def web_database_url() -> str:
    """Return the database's URL for a web process. Raise `NoRunningServers`."""
    given = load_settings().database_url
    return given.get_secret_value() if given else _running_servers("SETTLE_DATABASE_URL").web_database_url


def worker_database_url() -> str:
    """Return the database's URL for a worker or beat. Raise `NoRunningServers`."""
    given = load_settings().database_url
    return given.get_secret_value() if given else _running_servers("SETTLE_DATABASE_URL").worker_database_url


def broker_url() -> str:
    """Return the broker's URL. Raise `NoRunningServers`."""
    given = load_settings().broker_url
    return given.get_secret_value() if given else _running_servers("SETTLE_BROKER_URL").broker_url


def format_utc(at: dt.datetime) -> str:
    """Return a time as commands on the server print it: 2026-11-23 15:04:05 UTC."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def utc_now() -> dt.datetime:
    """Return the current time. Core takes it as an argument."""
    return dt.datetime.now(dt.UTC)


def find_running_servers() -> run_lock.RunningServers | None:
    """Return the servers that run in the data folder, or None."""
    return run_lock.find_running_servers(load_settings().data_dir.absolute())


def _running_servers(variable: str) -> run_lock.RunningServers:
    servers, data_dir = find_running_servers(), load_settings().data_dir.absolute()
    if servers is None:
        raise NoRunningServers(
            f'Batch Settle is not running in {data_dir}. Start it with "make run". If you started it with --data-dir, '
            f"set SETTLE_DATA_DIR. To use an existing server, set {variable}."
        )
    return servers

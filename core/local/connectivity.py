"""Connect to a database that may be down, and find free ports."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from core.db import causes
from core.db.engine import make_engine
from core.errors import Refusal


class DatabaseUnavailable(Refusal):
    """The database is not answering. Check SETTLE_DATABASE_URL and the server."""

    code = "database_away"


class PortTaken(Refusal):
    """The port is in use by another program."""


@contextlib.contextmanager
def connected_engine(url: str, *, pool_size: int = 1) -> Iterator[Engine]:
    """Yield an engine for a reachable database, then dispose of it. Raise `DatabaseUnavailable` with the cause."""
    engine = make_engine(url, pool_size=pool_size)
    try:
        try:
            engine.connect().close()
        except DBAPIError as error:
            cause = causes.diagnose(error)
            raise DatabaseUnavailable(cause.sentence if cause else None) from error
        yield engine
    finally:
        engine.dispose()


def require_free_port(host: str, port: int, *, cure: str) -> None:
    """Raise `PortTaken` with the port and the cure if another program listens on it."""
    try:
        _bind(host, port)
    except OSError as error:
        why = {errno.EADDRINUSE: "is in use", errno.EACCES: "needs more privileges than this user has"}.get(
            error.errno or 0
        )
        raise PortTaken(f"Port {port} on {host} {why or f'cannot be used ({error.strerror})'}; {cure}.") from None


def free_port(host: str, wanted: int) -> int:
    """Return `wanted` if it is free, else another free port."""
    try:
        return _bind(host, wanted)
    except OSError:
        return _bind(host, 0)


def answers_http(host: str, port: int, path: str) -> bool:
    """Return whether a web server answers there, with any status."""
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", path)
        connection.getresponse().read()
    except (OSError, HTTPException):
        return False
    else:
        return True
    finally:
        connection.close()


def _bind(host: str, port: int) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        # The web server sets it too, so a lingering connection from the previous run does not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
        taken: int = listener.getsockname()[1]
        return taken

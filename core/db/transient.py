"""Database errors that have nothing to do with the claims, so that the same work can be retried."""

from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError as PoolTimeout

QUERY_CANCELED: Final = "57014"  # statement_timeout
LOCK_NOT_AVAILABLE: Final = "55P03"  # lock_timeout
DEADLOCK: Final = "40P01"
DISK_FULL: Final = "53100"

# PostgreSQL manual, appendix A. A class of two characters stands for all its codes.
_TRANSIENT_SQLSTATES: Final = (
    "08",  # connection exceptions
    "40001",  # serialization failure
    DEADLOCK,
    "53",  # insufficient resources: too many connections, out of memory, disk full
    LOCK_NOT_AVAILABLE,
    "57",  # operator intervention: statement_timeout, admin shutdown, crash shutdown, cannot connect now
    "25P03",  # idle in transaction session timeout
    "25P04",  # transaction timeout
)
_UNAVAILABLE_SQLSTATES: Final = ("08", "53", "57P")  # see above; of class 57 only the shutdowns


def is_transient(error: BaseException) -> bool:
    """Return whether the work can be retried as it is. False means that the work itself is at fault."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    state = sqlstate(error)
    if state is None:
        # No answer from the server: the connection was lost, and the fate of a COMMIT is unknown.
        return isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
    return state.startswith(_TRANSIENT_SQLSTATES)


def is_unavailable(error: BaseException) -> bool:
    """Return whether the database is unreachable or out of connections."""
    if isinstance(error, DBAPIError) and sqlstate(error) is not None:
        return str(sqlstate(error)).startswith(_UNAVAILABLE_SQLSTATES)
    return is_transient(error)


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE of the error, if the server gave one."""
    code = getattr(getattr(error, "orig", None), "sqlstate", None)
    return code if isinstance(code, str) else None

"""Find out why the database is unavailable.

libpq has no SQLSTATE for a failed connection, so the error's text is searched.
"""

import re
from typing import Final

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError, TimeoutError as PoolTimeout

from core.causes import Cause, find_cause
from core.db.transient import is_unavailable, sqlstate

_URL: Final = "SETTLE_DATABASE_URL"
_NAMES: Final = re.compile(r'"[^"]*"')

NO_ANSWER: Final = Cause("no_answer", "The database is not answering.", f"Check the server and {_URL}.")
POOL_BUSY: Final = Cause(
    "pool_busy", "Every database connection of this process is in use.", "Check the server for long statements."
)
_BAD_ADDRESS: Final = Cause(
    "bad_address",
    f"{_URL} is not a valid address.",
    "Check its port and its options.",
    signs=("invalid connection option", "invalid sslmode", "invalid port", "invalid integer value", "weak sslmode",
           "invalid uri", "invalid percent-encoded"),
)  # fmt: skip

# Most specific first, because a server with several addresses gives an error for each of them.
CAUSES: Final = (
    Cause(
        "wrong_password",
        "The database rejected the user name or the password.",
        f"Check the user in {_URL}, and SETTLE_DATABASE_PASSWORD.",
        signs=("password authentication failed", "authentication failed for user", "sasl authentication failed"),
        sqlstates=("28P01",),
    ),
    Cause(
        "no_password",
        "The database asks for a password, and none is set.",
        "Set SETTLE_DATABASE_PASSWORD.",
        signs=("no password supplied",),
    ),
    Cause(
        "unknown_database",
        "The server has no database with that name.",
        f"Check the name in {_URL}; core/db/role.sql creates the database.",
        signs=('database "" does not exist', "no such database"),
        sqlstates=("3D000",),
    ),
    Cause(
        "unknown_role",
        "The server has no user with that name, or the user is not allowed to sign in.",
        f"Check the user in {_URL}; core/db/role.sql creates the users.",
        signs=('role "" does not exist', "is not permitted to log in", "no such user"),
        sqlstates=("28000",),
    ),
    Cause(
        "tls_required",
        "The server does not accept unencrypted connections from this user and address.",
        f"Add sslmode=verify-full to {_URL}, or an entry to pg_hba.conf.",
        signs=("no encryption", "ssl connection is required", "ssl required", "tls required"),
    ),
    Cause(
        "not_allowed_from_here",
        "The server does not accept this user, database and address.",
        "Add an entry to pg_hba.conf.",
        signs=("pg_hba.conf",),
    ),
    Cause(
        "missing_privilege",
        "The database user lacks a privilege.",
        f"Check the user in {_URL}, and run settle migrate, which grants the privileges.",
        signs=("permission denied for database",),
        sqlstates=("42501",),
    ),
    Cause(
        "wrong_host_name",
        "The server's certificate is for a different host name.",
        f"Use the certificate's host name in {_URL}.",
        signs=("does not match host name",),
    ),
    Cause(
        "missing_ca",
        "The root certificate file (sslrootcert) is missing or cannot be read.",
        f"Check sslrootcert in {_URL}; sslrootcert=system uses the system's.",
        signs=("root certificate file", "root.crt", "sslrootcert"),
    ),
    Cause(
        "client_certificate",
        "The client certificate or its key cannot be used.",
        f"Check sslcert and sslkey in {_URL}.",
        signs=("certificate file", "private key file", "certificate required", "client certificate"),
    ),
    Cause(
        "untrusted_certificate",
        "The server's certificate is not trusted, or has expired.",
        f"Check the certificate, and sslrootcert in {_URL}.",
        signs=("certificate verify failed", "self-signed certificate", "unable to get local issuer"),
    ),
    Cause(
        "tls_not_offered",
        "The address requires TLS, but the server does not offer it.",
        f"Turn on TLS at the server, or change sslmode in {_URL}.",
        signs=("server does not support ssl",),
    ),
    Cause(
        "too_many_connections",
        "The database has no connections left.",
        "Raise max_connections, or close unneeded connections.",
        signs=("too many clients", "too many connections", "connection slots are reserved", "no more connections"),
        sqlstates=("53300",),
    ),
    Cause(
        "shutting_down",
        "The database is shutting down.",
        "Start it again, or wait until it is back.",
        signs=("is shutting down", "terminating connection due to administrator command"),
        sqlstates=("57P01",),
    ),
    Cause(
        "starting_up",
        "The database is starting up or recovering.",
        "Wait until it is ready.",
        signs=("is starting up", "not yet accepting connections", "in recovery mode", "not accepting connections"),
        sqlstates=("57P02", "57P03"),
    ),
    Cause("disk_full", "The database's disk is full.", "Free space on the server.", sqlstates=("53100",)),
    Cause("out_of_memory", "The database is out of memory.", "Check the server's memory.", sqlstates=("53200",)),
    _BAD_ADDRESS,
    Cause(
        "not_postgresql",
        "The server at the database's address is not PostgreSQL.",
        f"Check host and port in {_URL}.",
        signs=("invalid response to ssl negotiation", "expected authentication request", "expected protocol version"),
    ),
    Cause(
        "refused_setting",
        "The database refuses a setting in the connection's options.",
        f"Check options in {_URL}: the setting may not exist, or this role may not change it.",
        signs=("permission denied to set parameter", "configuration parameter", "invalid value for parameter"),
    ),
    Cause(
        "no_socket",
        "The database has no socket at that path, or this user may not open it.",
        f"Check the folder in {_URL}, and that the server is running.",
        signs=("no such file or directory", "permission denied"),
    ),
    Cause(
        "refused",
        "The database's host refuses the connection.",
        f"Start the server, or check host and port in {_URL}.",
        signs=("connection refused",),
    ),
    Cause(
        "no_route",
        "There is no network route to the database's host.",
        f"Check the network, and the host in {_URL}.",
        signs=("no route to host", "network is unreachable", "host is unreachable"),
    ),
    Cause(
        "unknown_host",
        "The name of the database's host cannot be resolved.",
        f"Check the host in {_URL}, and the name server.",
        signs=("failed to resolve host", "could not translate host name", "name or service not known",
               "temporary failure in name resolution"),
    ),
    Cause(
        "timeout",
        "The database's host did not answer in time.",
        f"Check the network, a firewall in between, and the host in {_URL}.",
        signs=("timeout expired", "timed out"),
    ),
    Cause(
        "connection_lost",
        "The database closed the connection.",
        "Check the server's log.",
        signs=("server closed the connection", "connection reset", "the connection is lost", "connection is closed"),
    ),
)  # fmt: skip


def diagnose(error: BaseException) -> Cause | None:
    """Return why the database is unavailable, or None if the error concerns the statement only."""
    if isinstance(error, PoolTimeout):
        return POOL_BUSY
    if not isinstance(error, DBAPIError):
        return None
    state = sqlstate(error)
    if state is not None:
        by_state = next((cause for cause in CAUSES if state in cause.sqlstates), None)
        return by_state or (NO_ANSWER if is_unavailable(error) else None)
    if isinstance(error, ProgrammingError):
        return find_cause((_BAD_ADDRESS,), _driver_message(error))
    if isinstance(error, OperationalError | InterfaceError):
        return find_cause(CAUSES, _driver_message(error)) or NO_ANSWER
    return NO_ANSWER if error.connection_invalidated else None


def _driver_message(error: DBAPIError) -> str:
    """Return the driver's text without names of users, databases and hosts."""
    return _NAMES.sub('""', str(error.orig))

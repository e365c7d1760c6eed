"""Empty a database between two tests, which costs a fraction of a new copy of the template.

A test must not notice. So a database is emptied only if it then equals a new copy: the same tables, constraints,
triggers and functions, no statistics for the planner, and no client left that could still write.
"""

import time
from typing import Any, Final

import psycopg

_CLIENTS_SECONDS: Final = 0.5  # the server's process ends milliseconds after its client has disconnected
_LOOK_SECONDS: Final = 0.002
_BYTES_MAX: Final = 8 * 1024**2  # deleted rows still fill pages

# `xmin` is the transaction that wrote the catalog's row, so a disabled trigger or a replaced function differs too.
_SHAPE: Final = " UNION ALL ".join([
    *(
        f"SELECT '{catalog}', count(*), max(xmin::text::bigint) FROM {catalog} WHERE {key} >= 16384"
        for catalog, key in (
            ("pg_attribute", "attrelid"), ("pg_constraint", "oid"), ("pg_index", "indexrelid"), ("pg_proc", "oid"),
            ("pg_trigger", "oid"),
        )
    ),
    "SELECT 'pg_class', count(*), count(*) FILTER (WHERE reltuples > 0) FROM pg_class WHERE oid >= 16384",
    "SELECT 'pg_namespace', count(*), 0 FROM pg_namespace WHERE nspname !~ '^pg_'",
    "SELECT 'pg_database', datconnlimit, 0 FROM pg_database WHERE datname = current_database()",
    "SELECT 'pg_db_role_setting', count(*), 0 FROM pg_db_role_setting WHERE setdatabase <> 0",
])  # fmt: skip
_CLIENTS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid() AND pid <> ALL (%s::int[])
"""
_USED: Final = """
SELECT format('DELETE FROM %s', oid::regclass), pg_relation_size(oid) FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    AND pg_relation_size(oid) > 0
UNION ALL SELECT format('SELECT setval(%L, 1, false)', sequencename), 0 FROM pg_sequences WHERE last_value IS NOT NULL
"""

Shape = list[tuple[Any, ...]]
_Connection = psycopg.Connection[tuple[Any, ...]]


def shape_of(superuser_url: str) -> Shape:
    """Return what must not change in a database that is to be used again."""
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        return _shape(connection)


def empty(superuser_url: str, *, shape: Shape, kept: list[int]) -> bool:
    """Delete all rows of a database and restart its ids. Return False if it would still differ from a new copy.

    `kept` are the ids of processes whose connections stay open.
    """
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        if not _is_alone(connection, kept) or _shape(connection) != shape:
            return False
        used = connection.execute(_USED).fetchall()
        if sum(size for _, size in used) > _BYTES_MAX:
            return False
        # As a replica, PostgreSQL runs no trigger and checks no foreign key.
        statements = (
            "SET session_replication_role = replica",
            "BEGIN",
            *(statement for statement, _ in used),
            "COMMIT",
        )
        connection.execute("; ".join(statements).encode())
        return True


def _is_alone(connection: _Connection, kept: list[int]) -> bool:
    until = time.monotonic() + _CLIENTS_SECONDS
    while connection.execute(_CLIENTS, [kept]).fetchone() != (0,):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _shape(connection: _Connection) -> Shape:
    return connection.execute(_SHAPE.encode()).fetchall()

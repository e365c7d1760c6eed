"""Empty a database between two tests, which takes a fraction of the time of copying the template again.

A test must not notice the difference. So a database is reused only if it then equals a new copy: it has the same
tables, constraints, triggers and functions, and no client that could still write.
"""

import json
import time
from dataclasses import dataclass
from typing import Any, Final

import psycopg

_CLIENTS_SECONDS: Final = 0.5  # the server's process ends milliseconds after its client has disconnected
_LOOK_SECONDS: Final = 0.002

# `xmin` is the transaction that wrote the catalog's row, so a disabled trigger or a replaced function differs too.
_SHAPE: Final = " UNION ALL ".join([
    *(
        f"SELECT '{catalog}', count(*), max(xmin::text::bigint) FROM {catalog} WHERE {key} >= 16384"
        for catalog, key in (
            ("pg_attribute", "attrelid"), ("pg_constraint", "oid"), ("pg_index", "indexrelid"), ("pg_proc", "oid"),
            ("pg_trigger", "oid"),
        )
    ),
    "SELECT 'pg_class', count(*), 0 FROM pg_class WHERE oid >= 16384",
    "SELECT 'pg_namespace', count(*), 0 FROM pg_namespace WHERE nspname !~ '^pg_'",
    "SELECT 'pg_database', datconnlimit, 0 FROM pg_database WHERE datname = current_database()",
    "SELECT 'pg_db_role_setting', count(*), 0 FROM pg_db_role_setting WHERE setdatabase <> 0",
])  # fmt: skip
_CLIENTS: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend'
    AND pid <> pg_backend_pid() AND pid <> ALL (%s::int[])
"""
_USED_TABLES: Final = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
    AND pg_relation_size(oid) > 0
"""
_RESTART_IDS: Final = "SELECT setval(sequencename::regclass, 1, false) FROM pg_sequences WHERE last_value IS NOT NULL"
# What the planner knows about sizes. A copy has the same ids as its template.
_SIZES: Final = "SELECT oid::text, relpages, reltuples FROM pg_class WHERE oid >= 16384 ORDER BY oid"
_FORGET_SIZES: Final = """
UPDATE pg_class SET relpages = new.relpages, reltuples = new.reltuples
FROM json_to_recordset(%s) AS new (oid oid, relpages int, reltuples real)
WHERE pg_class.oid = new.oid AND (pg_class.relpages, pg_class.reltuples) <> (new.relpages, new.reltuples)
"""
_FORGET_VALUES: Final = "DELETE FROM pg_statistic WHERE starelid >= 16384"

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Template:
    """The properties of a database that must equal the template's before it is reused."""

    shape: list[tuple[Any, ...]]
    sizes: str

    @classmethod
    def read(cls, superuser_url: str) -> "Template":
        """Read them from the template."""
        with psycopg.connect(superuser_url, autocommit=True) as connection:
            sizes = connection.execute(_SIZES).fetchall()
            names = ("oid", "relpages", "reltuples")
            return cls(_shape(connection), json.dumps([dict(zip(names, row, strict=True)) for row in sizes]))


def empty(connection: Connection, *, template: Template, kept: list[int]) -> bool:
    """Delete all rows of a superuser's database and restart its ids. Return False if it still differs from a new copy.

    `kept` are the ids of processes whose connections stay open.
    """
    if not _is_alone(connection, kept) or _shape(connection) != template.shape:
        return False
    if tables := [name for (name,) in connection.execute(_USED_TABLES)]:
        deletes = "; ".join(f"DELETE FROM {name}" for name in tables)
        # As a replica, PostgreSQL runs no trigger and checks no foreign key.
        connection.execute(f"SET session_replication_role = replica; BEGIN; {deletes}; COMMIT".encode())
        # Otherwise new rows would fill the gaps, and queries without ORDER BY would return a different order.
        connection.execute(f"VACUUM {', '.join(tables)}".encode())
    connection.execute(_RESTART_IDS)
    if connection.execute(_FORGET_SIZES, [template.sizes]).rowcount:
        connection.execute(_FORGET_VALUES)
    return not connection.execute(_USED_TABLES).fetchall()


def _is_alone(connection: Connection, kept: list[int]) -> bool:
    until = time.monotonic() + _CLIENTS_SECONDS
    while connection.execute(_CLIENTS, [kept]).fetchone() != (0,):
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


def _shape(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(_SHAPE.encode()).fetchall()

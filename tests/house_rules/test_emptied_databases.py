"""A test cannot tell an emptied database from a new one."""

import psycopg
import pytest

from core.db.engine import make_sessions
from tests.factories import a_practice
from tests.kept_connections import keep
from tests.servers import Databases
from tests.shared_app import engine_on


def test_a_used_database_comes_back_without_rows_and_statistics_and_with_the_first_ids(databases: Databases) -> None:
    with databases.fresh() as first:
        engine = engine_on(first)
        practice = a_practice(make_sessions(engine))
        practice.claims(2)
        practice.settle()
        practice.sql("ANALYZE")
        keep(engine)

    with databases.fresh() as second, psycopg.connect(second) as connection:
        assert second == first
        assert connection.execute("SELECT FROM pg_stats WHERE schemaname = 'public'").rowcount == 0
        assert connection.execute("SELECT FROM pg_class WHERE relname = 'claim' AND reltuples >= 0").rowcount == 0
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        filled = [name for (name,) in tables if connection.execute(f"SELECT FROM {name} LIMIT 1").rowcount]
        assert filled == ["alembic_version"]
        sizes = "SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relname IN ('claim', 'posting', 'audit_entry')"
        assert connection.execute(sizes).fetchone() == (0,), "rows would come in another order"
    with databases.fresh() as third:
        assert third == first
        engine = engine_on(third)
        assert (a_practice(make_sessions(engine)).id, practice.id) == (1, 1)
        keep(engine)


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE audit_entry DISABLE TRIGGER USER",
        "ALTER FUNCTION audit_digest(text, audit_entry, jsonb) VOLATILE",
        "ALTER TABLE posting DROP CONSTRAINT posting_amount_not_zero",
        "ALTER TABLE settle_job ALTER COLUMN note SET DEFAULT ''",
        "DROP INDEX one_write_off_for_each_line_responsibility_and_version",
        "CREATE TABLE another (id int)",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''1MB''', current_database()); END $$",
    ],
)
def test_a_database_that_a_test_changed_is_not_used_again(databases: Databases, change: str) -> None:
    with databases.fresh() as first, psycopg.connect(first) as connection:
        connection.execute(change.encode())

    with databases.fresh() as second:
        assert second != first


def test_a_database_with_a_client_that_could_still_write_is_not_used_again(databases: Databases) -> None:
    with databases.fresh() as first:
        client = psycopg.connect(first)

    with databases.fresh() as second:
        assert second != first
    client.close()

"""`settle migrate` reports what it did to the database."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from core.db import roles
from core.db.engine import make_engine
from core.migrations.revisions import newest_revision
from core.migrations.run import migrate_database
from core.settings import load_settings
from tests.core.cli.conftest import Typed
from tests.servers import Databases

NEWEST = newest_revision()


@pytest.fixture
def empty_database(databases: Databases, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with databases.empty() as url:
        monkeypatch.setenv("SETTLE_DATABASE_URL", url)
        load_settings.cache_clear()
        yield url


def test_migrate_names_each_migration_of_an_empty_database(typed: Typed, empty_database: str) -> None:
    first = typed("migrate").stdout.splitlines()

    assert first[0] == f"Migrated an empty database to {NEWEST}:"
    assert first[1] == "  0001  Create the tables of the first version: practices, claims, the ledger, jobs, access"
    assert [line.split()[0] for line in first[1:-3]] == [f"{number:04}" for number in range(1, int(NEWEST) + 1)]
    assert first[-3:] == [f"Updated the privileges of {role}." for role in sorted(roles.ALL)]
    assert typed("migrate").stdout == f"The database is already at migration {NEWEST}. Nothing to do.\n"


def test_migrate_names_the_old_and_the_new_migration(typed: Typed, empty_database: str) -> None:
    migrate_database(empty_database, "0002")

    assert typed("migrate").stdout.startswith(f"Migrated the database from 0002 to {NEWEST}:\n  0003  ")


def test_commands_on_the_server_ask_to_migrate_first(typed: Typed, empty_database: str) -> None:
    migrate_database(empty_database, "0002")

    refused = typed("verify")

    words = f"The database is at migration 0002, and this version needs {NEWEST}. Run settle migrate.\n"
    assert (refused.exit_code, refused.stderr) == (1, words)


def test_the_migrations_are_available_as_json(typed: Typed, empty_database: str) -> None:
    migrate_database(empty_database, "0003")

    facts = json.loads(typed("migrate", "--json").stdout)
    assert (facts["before"], facts["after"]) == ("0003", NEWEST)
    assert [one["revision"] for one in facts["done"]] == [f"{number:04}" for number in range(4, int(NEWEST) + 1)]
    assert json.loads(typed("migrate", "--json").stdout) == {
        "before": NEWEST, "after": NEWEST, "done": [], "granted": []
    }  # fmt: skip


def test_migrate_does_not_touch_a_database_of_a_newer_version(typed: Typed, empty_database: str) -> None:
    migrate_database(empty_database)
    engine = make_engine(empty_database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    refused = typed("migrate")

    assert refused.exit_code == 1
    assert "The database is at migration 9999, which this version does not know" in refused.stderr

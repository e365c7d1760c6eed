"""Migration 0007 renames columns. Processes of the previous version keep working with the old names."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from sqlalchemy import make_url, text
from sqlalchemy.exc import DatabaseError

from core.access.permissions import Role
from core.db.engine import Sessions
from core.enums.job_items import Outcome
from core.migrations.run import TablesBusy, _alembic_config, migrate_database
from tests.core.migrations.renamed_rows import AT, GROUND, MONTH, OTHER, ROWS
from tests.core.migrations.rolled_back import rolled_back
from tests.factories import a_practice
from tests.servers import Databases

_MIGRATION: Final[Any] = ScriptDirectory.from_config(_alembic_config()).get_revision("0007").module
_PAIRS: Final = [pytest.param(one, id=f"{one.table}.{one.new}") for one in _MIGRATION.RENAMED]
_REQUIRED: Final = [pytest.param(one, id=f"{one.table}.{one.new}") for one in _MIGRATION.RENAMED if one.required]
_TABLES: Final[tuple[str, ...]] = _MIGRATION.TABLES

_SCHEMA: Final = """
SELECT 'column', table_name || '.' || column_name,
       concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default, is_identity)
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'relation', relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""

# A downgrade keeps the digests of postings, because the audit log's chain covers them.
_KEPT: Final = ("posting_digest", "items_sha256", "audit_link.transaction_id", "audit_link.postings_sha256")

_CLAIMS: Final = "SELECT external_id, xmin::text, ctid::text FROM claim ORDER BY id"
_FILE: Final = "SELECT pg_relation_filenode('claim')"
_Rows = dict[str, dict[str, Any]]


@pytest.fixture
def before(databases: Databases) -> Iterator[tuple[str, psycopg.Connection[Any]]]:
    """A database of the previous version, with the rows that others refer to."""
    with databases.empty() as url:
        migrate_database(url, "0006")
        with _connect(url) as connection:
            connection.execute(GROUND)
            yield url, connection


class _Upgraded(NamedTuple):
    """A database whose rows were written by the previous version, and its claims as they were before the migration."""

    connection: psycopg.Connection[Any]
    role: str  # it had privileges on the month-end events
    claims: list[dict[str, Any]]
    file: list[dict[str, Any]]


@pytest.fixture(scope="module")
def upgraded(databases: Databases) -> Iterator[_Upgraded]:
    """A row in each renamed table, a claim without a hold, and a month-end event, migrated."""
    with databases.empty() as url:
        migrate_database(url, "0006")
        with _connect(url) as connection, _role(url) as role:
            connection.execute(GROUND)
            _insert(connection, "claim", {**ROWS["claim"], "external_id": "Free", "hold": None, "hold_why": None})
            for table, row in ROWS.items():
                _insert(connection, table, row)
            _close(connection, "period_act")
            connection.execute(f"GRANT SELECT, INSERT ON period_act TO {role}".encode())
            claims, file = (connection.execute(one).fetchall() for one in (_CLAIMS, _FILE))
            migrate_database(url)
            yield _Upgraded(connection, role, claims, file)


@pytest.fixture(scope="module")
def migrated(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """A migrated database, with the rows that others refer to and a schedule."""
    with databases.fresh() as url, _connect(url) as connection:
        connection.execute(GROUND)
        _insert(connection, "schedule", {**ROWS["schedule"], "name": "Ground"})
        yield connection


@pytest.fixture
def after(migrated: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """The shared rows of the migrated database, for one test."""
    with rolled_back(migrated):
        yield migrated


@contextmanager
def _connect(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def _insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(sql.Placeholder() * len(row)),
    )
    connection.execute(statement, list(row.values()))


def _update(connection: psycopg.Connection[Any], table: str, column: str, value: Any) -> None:
    statement = sql.SQL("UPDATE {} SET {} = %s").format(sql.Identifier(table), sql.Identifier(column))
    connection.execute(statement, [_sent(value)])


def _read(connection: psycopg.Connection[Any], table: str) -> dict[str, Any]:
    """Return the newest row of the table."""
    query = sql.SQL("SELECT * FROM {} ORDER BY {} DESC LIMIT 1")
    order = "name" if table == "watch_process" else "id"
    row: dict[str, Any] | None = connection.execute(
        query.format(sql.Identifier(table), sql.Identifier(order))
    ).fetchone()
    assert row is not None
    return row


def _sent(value: Any) -> Any:
    return Jsonb(value) if isinstance(value, list | dict) else value


def _plain(value: Any) -> Any:
    return value.obj if isinstance(value, Jsonb) else value


def _in_new_names(table: str) -> dict[str, Any]:
    names = {one.old: one.new for one in _MIGRATION.RENAMED if one.table == table}
    return {names.get(name, name): value for name, value in ROWS[table].items()}


def test_every_renamed_table_is_locked() -> None:
    assert set(_MIGRATION.LOCKED) == set(_TABLES)


def test_every_renamed_column_has_a_row_and_another_value_here() -> None:
    assert set(OTHER) == {(one.table, one.new) for one in _MIGRATION.RENAMED}
    assert set(ROWS) == set(_TABLES)
    assert all(one.old in ROWS[one.table] for one in _MIGRATION.RENAMED)


def test_the_migration_keeps_every_value_under_the_new_name(upgraded: _Upgraded) -> None:
    for one in _MIGRATION.RENAMED:
        row = _read(upgraded.connection, one.table)
        assert row[one.new] == row[one.old] == _plain(ROWS[one.table][one.old]), one


def test_the_migration_rewrites_no_claim_without_a_hold(upgraded: _Upgraded) -> None:
    free, _ = upgraded.claims
    still_free, held = upgraded.connection.execute(_CLAIMS).fetchall()
    assert still_free == free
    assert upgraded.connection.execute(_FILE).fetchall() == upgraded.file
    assert held["external_id"] == "C"
    assert _read(upgraded.connection, "claim")["hold_reason"] == "Letter"


@pytest.mark.parametrize("table", _TABLES)
def test_an_insert_in_the_old_names_appears_under_the_new_names(after: psycopg.Connection[Any], table: str) -> None:
    _insert(after, table, ROWS[table])
    row = _read(after, table)
    for one in _MIGRATION.RENAMED:
        if one.table == table:
            assert row[one.new] == row[one.old] == _plain(ROWS[table][one.old]), one


@pytest.mark.parametrize("table", _TABLES)
def test_an_insert_in_the_new_names_appears_under_the_old_names(after: psycopg.Connection[Any], table: str) -> None:
    _insert(after, table, _in_new_names(table))
    row = _read(after, table)
    for one in _MIGRATION.RENAMED:
        if one.table == table:
            assert row[one.old] == row[one.new] == _plain(ROWS[table][one.old]), one


@pytest.mark.parametrize("one", _PAIRS)
def test_an_update_of_the_old_name_changes_the_new_one(after: psycopg.Connection[Any], one: Any) -> None:
    _insert(after, one.table, ROWS[one.table])
    other = OTHER[one.table, one.new]
    _update(after, one.table, one.old, other)
    row = _read(after, one.table)
    assert row[one.old] == row[one.new] == other != _plain(ROWS[one.table][one.old])


@pytest.mark.parametrize("one", _PAIRS)
def test_an_update_of_the_new_name_changes_the_old_one(after: psycopg.Connection[Any], one: Any) -> None:
    _insert(after, one.table, ROWS[one.table])
    other = OTHER[one.table, one.new]
    _update(after, one.table, one.new, other)
    row = _read(after, one.table)
    assert row[one.old] == row[one.new] == other != _plain(ROWS[one.table][one.old])


@pytest.mark.parametrize(
    ("one", "written"),
    [
        pytest.param(one, name, id=f"{one.table}.{name}")
        for one in _MIGRATION.RENAMED
        if not one.required and one.new != "schedule_created_by"  # a constraint wants it beside a schedule
        for name in (one.old, one.new)
    ],
)
def test_clearing_one_name_clears_the_other(after: psycopg.Connection[Any], one: Any, written: str) -> None:
    _insert(after, one.table, ROWS[one.table])
    _update(after, one.table, written, None)
    row = _read(after, one.table)
    assert row[one.old] is row[one.new] is None


@pytest.mark.parametrize("one", _REQUIRED)
def test_neither_name_of_a_required_column_may_be_cleared(after: psycopg.Connection[Any], one: Any) -> None:
    _insert(after, one.table, ROWS[one.table])
    for name in (one.old, one.new):
        with pytest.raises(psycopg.errors.NotNullViolation), after.transaction():
            _update(after, one.table, name, None)


def test_a_job_that_gives_neither_name_gets_the_defaults_under_both(after: psycopg.Connection[Any]) -> None:
    defaults = {"over": [], "forgiven_done": 0, "forgiven_failed": 0, "after_preview": "ask"}
    users = {**ROWS["settle_job"], "schedule_id": None, "schedule_made_by": None, "night": None}
    _insert(after, "settle_job", {name: value for name, value in users.items() if name not in defaults})
    row = _read(after, "settle_job")
    assert {name: row[name] for name in defaults} == defaults
    assert [row[name] for name in ("limits_exceeded", "budget_baseline_done", "budget_baseline_failed", "next_step")] \
        == list(defaults.values())  # fmt: skip


def test_a_heartbeat_of_the_previous_version_changes_the_details(after: psycopg.Connection[Any]) -> None:
    beat = (
        "INSERT INTO watch_process (name, kind, version, started_at, seen_at, says) "
        "VALUES ('web', 'web', '1', now(), now(), %s) ON CONFLICT (name) DO UPDATE SET says = excluded.says"
    )
    for jobs in (1, 2):
        after.execute(beat, [Jsonb({"jobs": jobs})])
    assert _read(after, "watch_process")["details"] == {"jobs": 2}


def _close(connection: psycopg.Connection[Any], table: str) -> None:
    row = {
        "practice_id": 1, "month": MONTH, "state": "closed", "at": AT, "by": 1, "reason": "", "totals": Jsonb({}),
        "digest": "",
    }  # fmt: skip
    _insert(connection, table, row)


def test_settling_and_reversing_claims_runs_no_trigger_of_a_rename(sessions: Sessions) -> None:
    practice = a_practice(sessions)
    approver = practice.person("approver@lakeside.example", Role.APPROVER)
    numbers = practice.claims(5)
    with sessions.begin() as session:
        session.execute(
            text(
                "CREATE OR REPLACE FUNCTION claim_both_names() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'the trigger ran'; END $$"
            )
        )

    settled = practice.settle()
    reversed_job = practice.reverse(settled, by=approver)
    practice.run()

    for job in (settled, reversed_job):
        assert {practice.item(job, number).outcome for number in numbers} == {Outcome.SETTLED}
    with sessions.begin() as session, pytest.raises(DatabaseError, match="the trigger ran"):
        session.execute(text("UPDATE claim SET hold_why = 'x'"))


def test_no_trigger_locks_the_rows_of_a_large_table_before_they_are_updated(after: psycopg.Connection[Any]) -> None:
    # PostgreSQL locks each row for any BEFORE UPDATE trigger on rows, even a trigger on other columns.
    found = after.execute(
        "SELECT DISTINCT tgrelid::regclass::text AS name FROM pg_trigger "
        "WHERE NOT tgisinternal AND tgtype & 1 = 1 AND tgtype & 2 = 2 AND tgtype & 16 = 16"
    ).fetchall()
    assert {row["name"] for row in found} == set(_TABLES) - {"claim"}


def test_a_migration_without_its_locks_changes_nothing_and_tries_again_once_its_tables_are_free(
    before: tuple[str, psycopg.Connection[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, connection = before
    schema = connection.execute(_SCHEMA).fetchall()
    with connection.transaction(), monkeypatch.context() as once:
        once.setattr("core.migrations.run.TRIES_MAX", 1)
        connection.execute("SELECT * FROM schedule FOR UPDATE")
        with pytest.raises(TablesBusy):
            migrate_database(url)
    assert connection.execute(_SCHEMA).fetchall() == schema

    with _connect(url) as busy:
        busy.execute("BEGIN")
        busy.execute("SELECT * FROM claim FOR UPDATE")
        monkeypatch.setattr("core.migrations.run.time.sleep", lambda _: busy.execute("ROLLBACK"))
        done = migrate_database(url)
    assert (done.done[0].revision, done.before) == ("0007", "0006")


_CHANGES: Final = ("UPDATE {} SET reason = 'x'", "DELETE FROM {}")


def test_month_end_events_keep_their_rows_and_ids(upgraded: _Upgraded) -> None:
    with rolled_back(upgraded.connection) as connection:
        _close(connection, "period_act")
        _close(connection, "period_event")
        for table in ("period_act", "period_event"):
            ids = connection.execute(f"SELECT id FROM {table} ORDER BY id".encode()).fetchall()
            assert [row["id"] for row in ids] == [1, 2, 3]


@pytest.mark.parametrize("table", ["period_act", "period_event"])
def test_a_month_end_event_can_neither_be_changed_nor_deleted(after: psycopg.Connection[Any], table: str) -> None:
    _close(after, "period_act")
    for change in _CHANGES:
        with pytest.raises(psycopg.errors.RestrictViolation), after.transaction():
            after.execute(change.format(table).encode())
    with pytest.raises(psycopg.errors.RestrictViolation), after.transaction():
        after.execute("TRUNCATE period_event")
    with pytest.raises(psycopg.errors.WrongObjectType), after.transaction():
        after.execute("TRUNCATE period_act")
    assert _read(after, "period_event")["reason"] == ""


def test_a_role_keeps_its_grants_on_month_end_events_through_the_view(upgraded: _Upgraded) -> None:
    for table in ("period_act", "period_event"):
        for privilege, has in (("SELECT", True), ("INSERT", True), ("UPDATE", False), ("DELETE", False)):
            asked = [upgraded.role, table, privilege]
            found = upgraded.connection.execute("SELECT has_table_privilege(%s, %s, %s) AS has", asked)
            assert found.fetchall() == [{"has": has}], (table, privilege)


@contextmanager
def _role(url: str) -> Iterator[str]:
    """Create a role without privileges, as the superuser, and drop it with its grants."""
    superuser = make_url(url).set(username="postgres").render_as_string(hide_password=False)
    role = "month_end_reader"
    with _connect(superuser) as connection:
        connection.execute(f"CREATE ROLE {role}".encode())
        yield role
        connection.execute(f"DROP OWNED BY {role}".encode())
        connection.execute(f"DROP ROLE {role}".encode())


def test_a_downgrade_restores_the_schema_and_the_values(before: tuple[str, psycopg.Connection[Any]]) -> None:
    url, connection = before
    for table, row in ROWS.items():
        _insert(connection, table, row)
    _close(connection, "period_act")
    schema = connection.execute(_SCHEMA).fetchall()
    rows = {table: _read(connection, table) for table in (*_TABLES, "period_act")}
    migrate_database(url)
    for one in _MIGRATION.RENAMED:
        _update(connection, one.table, one.new, OTHER[one.table, one.new])
    command.downgrade(_alembic_config(url), "0006")
    left = connection.execute(_SCHEMA).fetchall()
    assert [one for one in left if not any(name in str(one) for name in _KEPT)] == schema
    changed = {(one.table, one.old): OTHER[one.table, one.new] for one in _MIGRATION.RENAMED}
    for table, row in rows.items():
        expected = {name: changed.get((table, name), value) for name, value in row.items()}
        found = _read(connection, table)
        assert {name: found[name] for name in found if name not in _KEPT} == expected

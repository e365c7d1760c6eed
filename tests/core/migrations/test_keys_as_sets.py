"""Migration 0016 checks the keys of claims, lines and postings once for each statement, by triggers."""

import re
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from alembic import command
from alembic.script import ScriptDirectory
from psycopg import sql
from psycopg.errors import ForeignKeyViolation, RestrictViolation
from sqlalchemy import make_url

from core.db.engine import make_sessions
from core.enums.practices import PayerClass
from core.migrations.run import _alembic_config, migrate_database
from tests.core.migrations.rolled_back import rolled_back
from tests.factories import GivenPractice, Line, a_practice
from tests.servers import Databases
from tests.shared_app import engine_on

_MIGRATION: Final[Any] = ScriptDirectory.from_config(_alembic_config()).get_revision("0016").module
_KEYS: Final = [pytest.param(key, id=key.name) for key in _MIGRATION.KEYS]
# Both practices have the same line numbers.
_IN_ONE_PRACTICE: Final = [pytest.param(key, id=key.name) for key in _MIGRATION.KEYS if key.columns[-1] != "line"]
_CHANGEABLE: Final = [pytest.param(key, id=key.name) for key in _MIGRATION.KEYS if key.table == "claim"]
_PARENTS: Final = [pytest.param(*row, id=row[0]) for row in _MIGRATION.KEPT.items()]

# What a copy of a row needs, so that it breaks no other constraint.
_NEW: Final = {
    "claim": {"external_id": "external_id || '-copy'"},
    "line_item": {"number": "number + 100"},
    "posting": {"kind": "'reversal'", "amount_cents": "1", "write_off_reason": "NULL", "paid_by": "NULL",
                "group_code": "NULL", "reason_code": "NULL", "source": "NULL", "source_id": "NULL"},
}  # fmt: skip
_GENERATED: Final = {"claim": {"id"}, "line_item": set[str](), "posting": {"id"}}
_MISSING: Final = {"line": 9_999, "claim_id": 999_999_999}

_CHARGE: Final = """
INSERT INTO posting (practice_id, claim_id, line, responsibility, kind, amount_cents, posted_on, created_at)
VALUES (1, 1, %s, 'patient', 'charge', 100, '2026-11-23', now())
"""


@pytest.fixture(scope="module")
def connection(databases: Databases) -> Iterator[psycopg.Connection[Any]]:
    """Two practices with claims that name every key, settled by a job, as the product's role."""
    with databases.fresh() as url:
        engine = engine_on(url)
        practice = a_practice(make_sessions(engine))
        _settle(practice, a_practice(practice.sessions, name="Other"))
        engine.dispose()
        with psycopg.connect(url, autocommit=True) as connection:
            yield connection


@pytest.fixture
def books(connection: psycopg.Connection[Any]) -> Iterator[psycopg.Connection[Any]]:
    """The shared rows, for one test."""
    with rolled_back(connection):
        yield connection


def _settle(practice: GivenPractice, other: GivenPractice) -> None:
    for of in (practice, other):
        of.payer("Second", PayerClass.COMMERCIAL)
        for number in ("1", "2", "3"):
            of.claim(number, Line(1_000, 500), Line(700))
        of.settle()
        of.sql("UPDATE claim SET supervising_provider_id = billing_provider_id, secondary_payer_id = primary_payer_id")


def _copy(connection: psycopg.Connection[Any], key: Any, value: str) -> None:
    """Copy all rows of the first practice. The last column of the key gets `value` in the newest row."""
    columns = [
        name
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [key.table],
        )
        if name not in _GENERATED[key.table]
    ]
    changed = {name: name for name in columns} | _NEW[key.table]
    if key.table == "posting":
        changed["reverses_id"] = "id"
    last = key.columns[-1]
    is_last = f"count(*) OVER () = row_number() OVER (ORDER BY {'id' if key.table == 'claim' else 'claim_id'})"
    changed[last] = f"CASE WHEN {is_last} THEN {value} ELSE {changed[last]} END"
    rows = "kind = 'write_off'" if key.table == "posting" else "true"
    connection.execute(
        f"INSERT INTO {key.table} ({', '.join(columns)}) "
        f"SELECT {', '.join(changed[name] for name in columns)} FROM {key.table} "
        f"WHERE practice_id = (SELECT min(id) FROM practice) AND {rows}".encode()
    )


@pytest.mark.parametrize("key", _KEYS)
def test_one_missing_row_among_many_refuses_the_statement(books: psycopg.Connection[Any], key: Any) -> None:
    before = _count(books, key.table)

    with pytest.raises(ForeignKeyViolation) as refused, books.transaction():
        _copy(books, key, str(_MISSING.get(key.columns[-1], 999_999_999)))

    assert (refused.value.diag.constraint_name, refused.value.diag.table_name) == (key.name, key.table)
    assert _count(books, key.table) == before


@pytest.mark.parametrize("key", _IN_ONE_PRACTICE)
def test_a_row_of_another_practice_is_a_missing_row(books: psycopg.Connection[Any], key: Any) -> None:
    theirs = key.parent_columns[-1]
    other = f"(SELECT max({theirs}) FROM {key.parent} WHERE practice_id = (SELECT max(id) FROM practice))"

    with pytest.raises(ForeignKeyViolation) as refused, books.transaction():
        _copy(books, key, other)

    assert refused.value.diag.constraint_name == key.name


@pytest.mark.parametrize("key", _KEYS)
def test_rows_whose_keys_exist_are_inserted(books: psycopg.Connection[Any], key: Any) -> None:
    before = _count(books, key.table)

    _copy(books, key, {"reverses_id": "id"}.get(key.columns[-1], key.columns[-1]))

    assert _count(books, key.table) > before


def test_one_posting_by_hand_needs_its_line_too(books: psycopg.Connection[Any]) -> None:
    with pytest.raises(ForeignKeyViolation):
        books.execute(_CHARGE, [77])


@pytest.mark.parametrize("key", _CHANGEABLE)
def test_a_claim_cannot_change_to_a_missing_row(books: psycopg.Connection[Any], key: Any) -> None:
    column = key.columns[0]
    other = f"(SELECT max(id) FROM {key.parent} WHERE practice_id = (SELECT max(id) FROM practice))"

    for value in ("999999999", other):
        with pytest.raises(ForeignKeyViolation) as refused, books.transaction():
            books.execute(
                f"UPDATE claim SET {column} = {value} WHERE practice_id = (SELECT min(id) FROM practice)".encode()
            )
        assert refused.value.diag.constraint_name == key.name


def test_a_claim_can_change_to_another_payer_or_to_none(books: psycopg.Connection[Any]) -> None:
    changed = books.execute(
        "UPDATE claim SET secondary_payer_id = NULL, primary_payer_id = payer.id FROM payer "
        "WHERE payer.practice_id = claim.practice_id AND payer.external_id = 'Second' AND claim.practice_id = 1"
    )

    assert changed.rowcount == 3


@pytest.mark.parametrize(("table", "columns"), _PARENTS)
def test_a_row_that_others_refer_to_stays_and_keeps_its_key(
    books: psycopg.Connection[Any], table: str, columns: tuple[str, ...]
) -> None:
    statements = [
        f"DELETE FROM {table}",
        f"TRUNCATE {table} CASCADE",
        *(f"UPDATE {table} SET {column} = {column}" for column in ("practice_id", *columns)),
    ]
    for statement in statements:
        with pytest.raises(RestrictViolation) as refused, books.transaction():
            books.execute(statement.encode())
        assert "keeps its rows and their keys" in str(refused.value)


def test_a_row_that_another_transaction_has_not_committed_is_missing(
    practice: GivenPractice, database_url: str
) -> None:
    practice.claim("1", Line(1_000))
    add = "INSERT INTO line_item (practice_id, claim_id, number, procedure_code, charge, insurance_due, patient_due) "
    with (
        psycopg.connect(database_url, autocommit=True) as first,
        psycopg.connect(database_url, autocommit=True) as second,
    ):
        with first.transaction():
            first.execute(add + "VALUES (1, 1, 9, '99213', 0, 0, 0)")
            with pytest.raises(ForeignKeyViolation):
                second.execute(_CHARGE, [9])
        second.execute(_CHARGE, [9])


def test_each_statement_is_planned_for_its_own_rows(books: psycopg.Connection[Any]) -> None:
    functions = books.execute(
        "SELECT proname, proconfig, prosrc FROM pg_proc WHERE proname ~ '^check_(changed_)?keys_of_' ORDER BY proname"
    ).fetchall()

    assert [name for name, *_ in functions] == [
        "check_changed_keys_of_claim", "check_keys_of_claim", "check_keys_of_line_item", "check_keys_of_posting",
    ]  # fmt: skip
    for name, settings, source in functions:
        keys = [key for key in _MIGRATION.KEYS if name.endswith(f"keys_of_{key.table}")]
        assert source.count("EXECUTE $query$") == len(keys), "a static query keeps its first plan"
        assert "jit=off" in settings
        assert "search_path=public, pg_temp" in settings, "a temporary table cannot stand in for a parent"


def test_the_keys_are_foreign_keys_again_after_the_downgrade(databases: Databases) -> None:
    with databases.empty() as url:
        migrate_database(url, "0015")
        before = _keys(url)
        migrate_database(url, "0016")
        assert len(_keys(url)) == len(before) - len(_MIGRATION.KEYS) - 1
        command.downgrade(_alembic_config(url), "0015")
        assert _keys(url) == before


def _keys(url: str) -> set[tuple[str, str]]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        rows = connection.execute(
            "SELECT conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE contype = 'f' AND conparentid = 0"
        )
        return {(name, re.sub(r"\s+", " ", definition)) for name, definition in rows}


def _count(connection: psycopg.Connection[Any], table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])

"""Row-level security: in every table, a transaction sees the rows of the practice that it set, and no others."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from core.db import roles, scope
from core.db.engine import make_engine, make_sessions, transaction
from core.migrations.policies import OF_USER, OPERATIONS_SEE, WITHOUT_PRACTICE
from core.migrations.privileges import wanted
from core.models import metadata
from tests.roles import as_web, as_worker
from tests.servers import Databases

OURS, THEIRS = 1, 2
TABLES = sorted(metadata.tables.keys() - WITHOUT_PRACTICE.keys())
WORKER_SEES = {
    "event", "hint_round", "import_job", "job_chunk", "job_failure", "notice", "outbox", "practice",
    "schedule", "schedule_run", "settle_job", "watched_folder", "webhook",
}  # fmt: skip
SAMPLES = {
    "ARRAY": "'{{}}'", "bigint": "{n}", "boolean": "false", "bytea": "'{n}'", "character varying": "'{n}'",
    "date": "'2026-01-01'", "integer": "{n}", "jsonb": "'{{}}'", "smallint": "1", "text": "'{n}'",
    "time without time zone": "'12:00'", "timestamp with time zone": "'2026-01-01'",
}  # fmt: skip
AS_ROLE = {roles.WEB: as_web, roles.WORKER: as_worker}
REFUSED = {"42501", "23001"}  # by a policy, or by a trigger that refuses such a change of any row
NOT_SET = "a practice is not set"
DENIED = "42501"
_NEEDED = text("""
    SELECT column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = :table AND is_generated = 'NEVER'
        AND (is_nullable = 'NO' AND column_default IS NULL OR column_name IN ('id', 'token_hash'))""")


def row_of(connection: Connection, table: str, practice_id: int) -> str:
    """Return a statement that inserts a row of this practice, with any value in the columns that must have one."""
    needed = connection.execute(_NEEDED, {"table": table})
    values = {name: SAMPLES[kind].format(n=10 * practice_id) for name, kind in needed}
    if "practice_id" in metadata.tables[table].c:
        values["practice_id"] = str(practice_id)
    if table in OF_USER:
        values["user_id"] = str(practice_id)
    if table in {"practice", "app_user"}:
        values["id"] = str(practice_id)
    return f"INSERT INTO {table} ({', '.join(values)}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(values.values())})"


@pytest.fixture(scope="module")
def filled(databases: Databases) -> Iterator[str]:
    """Yield a database in which each table has a row of each of two practices."""
    with databases.fresh() as url:
        engine = create_engine(make_url(url).set(drivername="postgresql+psycopg", username="postgres"))
        checks = "SELECT conrelid::regclass, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0"
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table, name in connection.execute(text(checks)).all():
                connection.execute(text(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'))
            for table in TABLES:
                for practice_id in (OURS, THEIRS):
                    connection.execute(text(row_of(connection, table, practice_id)))
        engine.dispose()
        yield url


@pytest.fixture(params=[roles.WEB, roles.WORKER])
def role(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connected(filled: str, role: str) -> Iterator[Engine]:
    engine = make_engine(AS_ROLE[role](filled), pool_size=1)
    yield engine
    engine.dispose()


def may(role: str, privilege: str) -> list[str]:
    """Return the practices' tables on which the role has the privilege."""
    return sorted({one.name for one in wanted(role) if one.privilege == privilege} & {*TABLES})


def state_of(connection: Connection, statement: str) -> str | None:
    """Return the SQLSTATE with which the statement fails, or None."""
    try:
        connection.execute(text(statement))
    except DBAPIError as error:
        return str(error.orig.sqlstate)  # type: ignore[union-attr]
    except scope.PracticeNotSet:
        return NOT_SET
    finally:
        connection.rollback()
    return None


def counted(engine: Engine, tables: list[str], practice_id: int | None) -> dict[str, int]:
    found = {}
    with transaction(make_sessions(engine), practice_id) as session:
        for table in tables:
            found[table] = session.scalar(text(f"SELECT count(*) FROM {table}"))
    return found  # type: ignore[return-value]


def test_each_table_has_row_level_security_or_a_reason_to_have_none(filled: str) -> None:
    engine = make_engine(filled)
    with engine.connect() as connection:
        forced = connection.execute(
            text(
                "SELECT relname, relrowsecurity AND relforcerowsecurity FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        ).all()
    engine.dispose()

    assert dict(forced) == {**dict.fromkeys(TABLES, True), **dict.fromkeys(WITHOUT_PRACTICE, False)}


def test_without_a_practice_each_table_is_an_error(connected: Engine, role: str) -> None:
    tables = set(may(role, "SELECT")) - (WORKER_SEES if role == roles.WORKER else set())
    with connected.connect() as connection:
        states = {table: state_of(connection, f"SELECT FROM {table}") for table in tables}
        connection.execute(text("SELECT set_config('settle.practice_id', '1', true)"))
        connection.rollback()
        later = {table: state_of(connection, f"SELECT FROM {table}") for table in tables}

    assert len(tables) > 30
    assert {*states.values()} == {*later.values()} == {NOT_SET}


def test_a_practice_sees_only_its_own_rows(connected: Engine, role: str) -> None:
    tables = may(role, "SELECT")
    both = {table: 2 for table in tables if role == roles.WORKER and table in WORKER_SEES}

    assert counted(connected, tables, OURS) == {**dict.fromkeys(tables, 1), **both}
    assert counted(connected, tables, 99) == {**dict.fromkeys(tables, 0), **both}


def test_a_practice_changes_only_its_own_rows(connected: Engine, role: str) -> None:
    free = {"event", "hint_round", "notice", "outbox", "webhook"} if role == roles.WORKER else set()
    changed: dict[str, object] = {}
    with connected.connect() as connection:
        for table in sorted(set(may(role, "UPDATE")) - free):
            key = "id" if table == "practice" else "user_id" if table in OF_USER else "practice_id"
            for statement in (f"UPDATE {table} SET {key} = {key}", f"UPDATE {table} SET {key} = {THEIRS}"):
                connection.execute(text("SELECT set_config('settle.practice_id', '1', true)"))
                try:
                    changed[statement] = connection.execute(text(f"{statement} WHERE {key} = {THEIRS}")).rowcount
                except DBAPIError as error:  # a worker sees the row, and may lock it
                    changed[statement] = 0 if error.orig.sqlstate in REFUSED else error  # type: ignore[union-attr]
                connection.rollback()
        for table in sorted(set(may(role, "INSERT")) - free):
            insertion = row_of(connection, table, THEIRS)
            connection.execute(text("SELECT set_config('settle.practice_id', '1', true)"))
            state = state_of(connection, insertion)
            changed[insertion] = 0 if state == DENIED else state

    assert len(changed) > 50
    assert {statement: rows for statement, rows in changed.items() if rows != 0} == {}


def test_operations_see_jobs_of_every_practice_and_no_patient(filled: str) -> None:
    engine = make_engine(as_web(filled), pool_size=1)
    sessions = scope.of_operations(make_sessions(engine))
    seen = {}
    for table in TABLES:
        with sessions() as session:
            state = state_of(session.connection(), f"SELECT FROM {table}")
            assert state in {None, DENIED}
        with sessions() as session:
            if state is None:
                seen[table] = session.scalar(text(f"SELECT count(*) FROM {table}"))
    with sessions() as session:
        assert session.execute(text("SELECT FROM settle_job FOR SHARE")).rowcount == 2
        with pytest.raises(DBAPIError, match="row-level security"):
            session.execute(text("UPDATE settle_job SET note = 'changed'"))
    engine.dispose()

    partly = {"audit_entry", "claim", "job_item"}  # none of the rows is a mismatch, a failure or an act on a job
    assert seen == {table: 0 if table in partly else 2 for table in OPERATIONS_SEE}


@pytest.mark.parametrize("practice_of", ["session", "token", "link"])
def test_a_practice_is_found_by_what_a_user_signs_in_with(filled: str, practice_of: str) -> None:
    engine = make_engine(as_web(filled), pool_size=1)
    with engine.connect() as connection:

        def find(key: str) -> object:
            return connection.scalar(text(f"SELECT practice_of_{practice_of}(:key)"), {"key": key.encode()})

        assert (find("10"), find("20"), find("30")) == (1, 2, None)
    engine.dispose()

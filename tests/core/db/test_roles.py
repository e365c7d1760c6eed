"""What the roles of web processes and workers cannot do, whatever statement they are made to run."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from core.books.invariants_guards import GUARD_INVARIANTS
from core.db import roles
from core.db.engine import make_engine, make_sessions, transaction
from core.migrations.policies import apply_policies
from core.migrations.run import NotOwner, migrate_database
from core.migrations.wait import unavailable_cause
from tests.roles import as_web, as_worker
from tests.servers import Databases

APPEND_ONLY = ("audit_entry", "audit_head", "audit_link", "import_change", "period_event", "posting", "posting_digest")
REFUSED = (
    *(f"UPDATE {table} SET practice_id = 1" for table in APPEND_ONLY),
    *(f"DELETE FROM {table}" for table in (*APPEND_ONLY, "claim", "line_item", "settle_job", "patient", "practice")),
    *(f"TRUNCATE {table}" for table in (*APPEND_ONLY, "claim", "ledger_sum")),
    "INSERT INTO audit_link (practice_id, number, entry_id, digest) VALUES (1, 1, 1, '')",
    ("INSERT INTO posting_digest (practice_id, at, first_id, last_id, postings, sha256, transaction_id) "
    "VALUES (1, now(), 1, 1, 1, '', '')"),
    "INSERT INTO practice (name) VALUES ('another')",
    "ALTER TABLE posting DISABLE TRIGGER ALL",
    "ALTER TABLE posting OWNER TO CURRENT_USER",
    "DROP TRIGGER posting_only_grows ON posting",
    "CREATE TRIGGER more BEFORE INSERT ON posting EXECUTE FUNCTION refuse_change()",
    "CREATE RULE quiet AS ON INSERT TO posting DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "CREATE FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TABLE own (id int)",
    "UPDATE alembic_version SET version_num = '0001'",
    "SET session_replication_role = replica",
    "SET ROLE settle",
    ("CREATE TEMP TABLE posted AS SELECT * FROM posting WITH NO DATA; CREATE TRIGGER digested AFTER INSERT ON posted "
    "REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION digest_postings()"),
)  # fmt: skip


@pytest.fixture(scope="module")
def migrated(databases: Databases) -> Iterator[str]:
    with databases.fresh() as url:
        yield url


@pytest.mark.parametrize("as_role", [as_web, as_worker])
def test_web_and_workers_cannot_change_what_is_kept_nor_what_keeps_it(
    migrated: str, as_role: Callable[[str], str]
) -> None:
    engine = make_engine(as_role(migrated))
    allowed = []
    with engine.connect() as connection:
        for statement in REFUSED:
            connection.execute(text("SELECT set_config('settle.practice_id', '1', true)"))
            try:
                connection.execute(text(statement))
                allowed.append(statement)
            except DBAPIError as error:
                if error.orig is None or error.orig.sqlstate != "42501":  # type: ignore[attr-defined]
                    allowed.append(f"{statement}: {error}")
            connection.rollback()
    engine.dispose()

    assert allowed == []


def test_workers_cannot_read_how_users_sign_in(migrated: str) -> None:
    engine = make_engine(as_worker(migrated))
    for table in ("api_token", "recovery_code", "second_factor", "single_sign_on", "user_session"):
        with transaction(make_sessions(engine), 1) as session, pytest.raises(ProgrammingError, match="denied"):
            session.execute(text(f"SELECT FROM {table}"))
    engine.dispose()


def test_a_migration_grants_what_a_role_lacks_and_revokes_the_rest(database_url: str, engine: Engine) -> None:
    assert migrate_database(database_url).granted == ()

    with engine.begin() as connection:
        connection.execute(text("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM settle_worker"))
        connection.execute(text("GRANT UPDATE ON posting TO settle_web"))
        connection.execute(text("DROP POLICY rows_of_practice ON claim"))
        connection.execute(text("CREATE POLICY reports ON claim FOR SELECT TO pg_monitor USING (true)"))
        connection.execute(text("ALTER TABLE patient DISABLE ROW LEVEL SECURITY"))
    with engine.connect() as connection:
        guard = GUARD_INVARIANTS["guards_are_in_place"].sql
        assert connection.scalars(text(guard)).all() == ["database, rights of role settle_web on posting"]

    assert migrate_database(database_url).granted == ("settle_web", "settle_worker")
    assert migrate_database(database_url).granted == ()
    with engine.connect() as connection:
        assert connection.scalars(text(guard)).all() == []
    with engine.begin() as connection:
        assert apply_policies(connection) is False
        assert connection.scalars(text(GUARD_INVARIANTS["practices_are_kept_apart"].sql)).all() == []
        assert connection.scalar(text("SELECT count(*) FROM pg_policies WHERE policyname = 'reports'")) == 1


def test_a_process_with_the_role_of_another_kind_waits_and_the_owner_may_be_any(migrated: str) -> None:
    codes = {}
    for role in (roles.WEB, roles.WORKER):
        for url in (migrated, as_web(migrated), as_worker(migrated)):
            engine = make_engine(url)
            cause = unavailable_cause(engine, role)
            engine.dispose()
            codes[role, engine.url.username] = cause and cause.code
    right = dict.fromkeys((role, one) for role in (roles.WEB, roles.WORKER) for one in ("settle", role))

    assert codes == {**right, (roles.WEB, roles.WORKER): "wrong_role", (roles.WORKER, roles.WEB): "wrong_role"}


def test_only_the_owner_migrates(database_url: str) -> None:
    with pytest.raises(NotOwner):
        migrate_database(as_web(database_url))

"""Row-level security: which rows the roles see. It is applied each time the database was migrated, like privileges.

Every table is in one of the groups below, or has the column `practice_id`. A transaction sees the rows of the practice
that it has set (`core.db.scope`). If it has set none, the policies raise an error.
"""

from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from core.db import roles

PUBLIC: Final = "public"
# As PostgreSQL prints them.
_SET: Final = "(current_setting('settle.practice_id'::text))::bigint"
_OF_PRACTICE: Final = f"(practice_id = {_SET})"
_IS_PRACTICE: Final = f"(id = {_SET})"

OF_USER: Final = (
    "api_token", "mail_opt_out", "passkey", "passkey_challenge", "password_link", "recovery_code", "second_factor",
    "user_session",
)  # fmt: skip
WITHOUT_PRACTICE: Final = {
    "alembic_version": "the revision of the schema",
    "canary": "test hints",
    "watch_process": "heartbeats of processes",
    "watch_tally": "counters of the whole installation",
}

# What workers look for in all practices. They may lock these rows too, but change only those of the practice set.
_WORKER_SEES: Final = (
    "import_job", "job_chunk", "job_failure", "practice", "schedule", "schedule_run", "settle_job",
    "watched_folder",
)  # fmt: skip
# What workers send, and which practices they hinted at. No table has patient data.
_WORKER_CHANGES: Final = ("event", "hint_round", "notice", "outbox", "webhook")
# What /metrics, /readyz and the Operations page count, and the rows that they need of tables with more.
OPERATIONS_SEE: Final = {
    "audit_entry": "starts_with(act, 'job.'::text)",
    "claim": "balance_mismatch",
    "job_chunk": "true",
    "job_failure": "true",
    "job_item": "((outcome)::text = 'failed'::text)",
    "outbox": "true",
    "practice": "true",
    "schedule": "true",
    "schedule_run": "true",
    "settle_job": "true",
}


class Policy(NamedTuple):
    """One policy, as in `pg_policies`. An empty `check` is that of `using`."""

    table: str
    name: str
    role: str
    command: str
    using: str
    check: str = ""

    def create(self) -> str:
        """Return the statement that creates it."""
        check = f" WITH CHECK ({self.check})" if self.check else ""
        to = f'"{self.role}"' if self.role != PUBLIC else "PUBLIC"
        return f'CREATE POLICY {self.name} ON "{self.table}" FOR {self.command} TO {to} USING ({self.using}){check}'


_EXISTING: Final = text("SELECT rolname FROM pg_roles WHERE rolname = ANY (:roles)")
_TABLES: Final = text("""
    SELECT c.relname, a.attname IS NOT NULL, c.relrowsecurity AND c.relforcerowsecurity
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'practice_id' AND NOT a.attisdropped
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'""")
_POLICIES: Final = text("""
    SELECT tablename, policyname, roles[1], cmd, coalesce(qual, ''), coalesce(with_check, '')
    FROM pg_policies WHERE schemaname = current_schema() AND roles && CAST(:ours AS name[])""")


def wanted(table: str, owner: str, existing: set[str]) -> set[Policy]:
    """Return the policies of a table with practices."""
    using = _IS_PRACTICE if table == "practice" else _of_user(table) if table in OF_USER else _OF_PRACTICE
    found = {
        Policy(table, "rows_of_practice", PUBLIC, "ALL", using),
        # Migrations, backups and the commands on the server work on all practices.
        Policy(table, "owner_sees_all", owner, "ALL", "true"),
    }
    if roles.WORKER in existing:
        if table in _WORKER_CHANGES:
            found.add(Policy(table, "worker_changes_all", roles.WORKER, "ALL", "true"))
        if table in _WORKER_SEES:
            found.add(Policy(table, "worker_sees_all", roles.WORKER, "SELECT", "true"))
            found.add(Policy(table, "worker_locks_all", roles.WORKER, "UPDATE", "true", "false"))
    if roles.OPERATIONS in existing and table in OPERATIONS_SEE:
        found.add(Policy(table, "operations_see", roles.OPERATIONS, "SELECT", OPERATIONS_SEE[table]))
        if table == "settle_job":  # a preview that a worker prepares is locked
            found.add(Policy(table, "operations_lock", roles.OPERATIONS, "UPDATE", "true", "false"))
    return found


def _of_user(table: str) -> str:
    # The practice is compared here too, in case another policy shows the users of every practice.
    return f"(EXISTS ( SELECT\n   FROM app_user u\n  WHERE ((u.id = {table}.user_id) AND (u.practice_id = {_SET}))))"


def apply_policies(connection: Connection) -> bool:
    """Enable row-level security and create and drop policies until each table has its own. Return whether any changed.

    A policy for another role, such as one for reports, stays. The caller has set a time-out for locks.
    """
    owner = str(connection.scalar(text("SELECT current_user")))
    existing = set(connection.scalars(_EXISTING, {"roles": list(roles.ALL)}))
    tables = connection.execute(_TABLES).all()
    needed: set[Policy] = set()
    bare = []
    for table, has_practice, is_forced in tables:
        if not has_practice and table not in (*OF_USER, "practice"):
            continue
        needed |= wanted(table, owner, existing)
        if not is_forced:
            bare.append(table)
    found = {Policy(*row) for row in connection.execute(_POLICIES, {"ours": [PUBLIC, owner, *roles.ALL]})}
    for table in sorted(bare):
        connection.execute(text(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'))
    for one in sorted(found - needed):
        connection.execute(text(f'DROP POLICY {one.name} ON "{one.table}"'))
    for one in sorted(needed - found):
        connection.execute(text(one.create()))
    return bool(bare or found ^ needed)

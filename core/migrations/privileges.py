"""Grant the roles of web processes and workers their privileges, each time the database was migrated.

It is not a migration, because the roles may be created long after the tables.
"""

from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from core.db import roles
from core.migrations.policies import OPERATIONS_SEE, WITHOUT_PRACTICE
from core.models import metadata

_ALL: Final = "SELECT INSERT UPDATE DELETE"
# The tables that only grow, and those that only triggers of the owner write to.
_GROWING: Final = dict.fromkeys(("audit_entry", "import_change", "period_event", "posting"), "SELECT INSERT")
_KEPT_BY_TRIGGERS: Final = dict.fromkeys(("audit_head", "audit_link", "posting_digest"), "SELECT")
# A trigger refuses to delete their rows.
_NEVER_DELETED: Final = dict.fromkeys(
    ("claim", "line_item", "office", "patient", "payer", "provider", "settle_job"), "SELECT INSERT UPDATE"
)
_COMMON: Final = {
    **_GROWING,
    **_KEPT_BY_TRIGGERS,
    **_NEVER_DELETED,
    "alembic_version": "SELECT",
    "ledger_sum": "SELECT INSERT DELETE",
    "practice": "SELECT UPDATE",  # a command on the server creates it
    "saved_filter": "",  # only the version before used it
}
# How users sign in. A worker renews the links in e-mails.
_SIGN_IN: Final = dict.fromkeys(
    (
        "api_token", "group_role", "passkey", "passkey_challenge", "recovery_code", "second_factor", "sign_in_domain",
        "sign_in_request", "single_sign_on", "user_identity", "user_session",
    ),
    "",
)  # fmt: skip
_EXCEPTIONS: Final = {
    roles.WEB: {**_COMMON, "time_stamp": ""},
    roles.WORKER: {
        **_COMMON,
        **_SIGN_IN,
        "app_user": "SELECT UPDATE",
        "password_link": "SELECT UPDATE",
        "time_stamp": "SELECT INSERT UPDATE",
    },
    roles.OPERATIONS: {
        **dict.fromkeys((*OPERATIONS_SEE, *WITHOUT_PRACTICE), "SELECT"),
        "settle_job": "SELECT UPDATE",  # to see which are locked; the policies let it change none
    },
}
_OTHERWISE: Final = {roles.OPERATIONS: ""}


class Grant(NamedTuple):
    """A privilege of a role on a table, a sequence or a function."""

    role: str
    kind: str
    name: str
    privilege: str


_OTHERS: Final = {
    Grant(roles.WORKER, "SEQUENCE", "claim_id_seq", "USAGE"),  # an import numbers its claims before it inserts them
    Grant(roles.WORKER, "FUNCTION", "refresh_statistics(text[])", "EXECUTE"),
    Grant(roles.WORKER, "FUNCTION", "practices_with_timed_answers()", "EXECUTE"),
    Grant(roles.WORKER, "FUNCTION", "schedule_owners()", "EXECUTE"),
    Grant(roles.WORKER, "FUNCTION", "forget_patient_searches(timestamp with time zone)", "EXECUTE"),
    Grant(roles.WEB, "FUNCTION", "practices_with_single_sign_on()", "EXECUTE"),
    Grant(roles.WEB, "FUNCTION", "passwords_sign_in()", "EXECUTE"),
    *(
        Grant(roles.WEB, "FUNCTION", f"practice_of_{key}", "EXECUTE")
        for key in ("session(bytea)", "token(bytea)", "link(bytea)", "email(text)", "domain(text)", "state(bytea)")
    ),
}
_EXISTING: Final = text("SELECT rolname FROM pg_roles WHERE rolname = ANY (:roles)")
_GRANTED: Final = text("""
    SELECT r.rolname, o.kind, o.name, a.privilege_type
    FROM (
        SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind, relname AS name, relacl AS acl
        FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v', 'S')
        UNION ALL
        SELECT 'FUNCTION', oid::regprocedure::text, proacl FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
    ) o, aclexplode(o.acl) a JOIN pg_roles r ON r.oid = a.grantee WHERE r.rolname = ANY (:roles)""")


def wanted(role: str) -> set[Grant]:
    """Return what a role is granted: on each table of this version, and besides."""
    exceptions = _EXCEPTIONS[role]
    on_tables = {
        Grant(role, "TABLE", table, privilege)
        for table in (*metadata.tables, "alembic_version")
        for privilege in exceptions.get(table, _OTHERWISE.get(role, _ALL)).split()
    }
    return on_tables | {grant for grant in _OTHERS if grant.role == role}


def grant_privileges(connection: Connection) -> tuple[str, ...]:
    """Grant and revoke until the existing roles have exactly their privileges. Return the roles that had others."""
    asked = {"roles": list(roles.ALL)}
    existing = connection.scalars(_EXISTING, asked).all()
    found = {Grant(*row) for row in connection.execute(_GRANTED, asked)}
    needed = {grant for role in existing for grant in wanted(role)}
    for one in sorted(found - needed):
        connection.execute(text(f"REVOKE {one.privilege} ON {one.kind} {one.name} FROM {one.role}"))
    for one in sorted(needed - found):
        connection.execute(text(f"GRANT {one.privilege} ON {one.kind} {one.name} TO {one.role}"))
    return tuple(sorted({one.role for one in found ^ needed}))

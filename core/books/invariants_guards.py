"""The invariant that the database still guards the ledger: its triggers run, and do what the migrations say."""

from typing import Final

from core.books.check import Invariant
from core.books.guards import APPEND_ONLY, DEFINERS, FUNCTIONS, TRIGGERS
from core.db import roles
from core.migrations import policies
from core.models import metadata

_OWNER: Final = "owner"
PRACTICE_TABLES: Final = metadata.tables.keys() - policies.WITHOUT_PRACTICE.keys()

_TRIGGERS: Final = ", ".join(
    f"('{table}', '{trigger}', '{function}', {moment})" for (table, trigger), (function, moment) in TRIGGERS.items()
)
_FUNCTIONS: Final = ", ".join(f"('{name}', '{sha256}')" for name, sha256 in FUNCTIONS.items())
_APPEND_ONLY: Final = ", ".join(f"'{table}'" for table in APPEND_ONLY)
# The role of a policy is the owner, or one of ours.
_POLICIES: Final = ", ".join(
    f"('{one.table}', '{one.name}', '{one.role}', '{one.command}', $p${one.using}$p$, $p${one.check}$p$)"
    for table in sorted(PRACTICE_TABLES)
    for one in sorted(policies.wanted(table, _OWNER, set(roles.ALL)))
)
_DEFINERS: Final = ", ".join(f"'{name}'" for name in DEFINERS)
_SHA256: Final = "encode(sha256(convert_to(f.prosrc, 'UTF8')), 'hex')"
_HERE: Final = "relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
_FOUND: Final = f"""
    SELECT c.relname, t.tgname, t.tgtype, t.tgenabled, t.tgisinternal, f.proname, {_SHA256} AS sha256
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid AND c.{_HERE} JOIN pg_proc f ON f.oid = t.tgfoid"""

_OURS: Final = ", ".join(f"'{role}'" for role in (policies.PUBLIC, *roles.ALL))
_TABLES: Final = ", ".join(f"'{table}'" for table in sorted(PRACTICE_TABLES))

GUARD_INVARIANTS: Final[dict[str, Invariant]] = {
    "guards_are_in_place": Invariant(
        "the triggers and functions that keep the ledger and the audit log are those of this version, and run",
        f"""SELECT 'database, trigger ' || g.trigger || ' on ' || g.relation
            FROM (VALUES {_TRIGGERS}) g (relation, trigger, function, moment)
            JOIN (VALUES {_FUNCTIONS}) b (function, sha256) USING (function)
            LEFT JOIN ({_FOUND}) t ON t.relname = g.relation AND t.tgname = g.trigger AND NOT t.tgisinternal
            WHERE (t.proname, t.tgtype::int, t.sha256) IS DISTINCT FROM (g.function, g.moment, b.sha256)
              OR t.tgenabled NOT IN ('O', 'A')
            UNION ALL
            SELECT 'database, trigger ' || t.tgname || ' on ' || t.relname FROM ({_FOUND}) t
            WHERE t.tgisinternal AND t.tgenabled NOT IN ('O', 'A')
              OR NOT t.tgisinternal AND t.relname IN ({_APPEND_ONLY})
                AND (t.relname, t.tgname) NOT IN (SELECT g.relation, g.trigger FROM (VALUES {_TRIGGERS})
                                                  g (relation, trigger, function, moment))
            UNION ALL
            SELECT 'database, function ' || b.function FROM (VALUES {_FUNCTIONS}) b (function, sha256)
            WHERE b.sha256 <> ALL (ARRAY(SELECT {_SHA256} FROM pg_proc f
                                         WHERE f.proname = b.function AND f.pronamespace =
                                           (SELECT oid FROM pg_namespace WHERE nspname = current_schema())))
              OR NOT EXISTS (SELECT FROM pg_proc f WHERE f.proname = b.function)
            UNION ALL
            SELECT 'database, rule ' || r.rulename || ' on ' || c.relname
            FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class AND c.{_HERE} WHERE c.relkind IN ('r', 'p')
            UNION ALL
            SELECT DISTINCT 'database, rights of function ' || f.proname
            FROM pg_proc f LEFT JOIN aclexplode(f.proacl) a ON a.grantee <> f.proowner
            WHERE f.proname IN ({_DEFINERS}) AND f.pronamespace =
                    (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
              AND (NOT f.prosecdef OR f.proacl IS NULL OR a.grantee IS NOT NULL)
            UNION ALL
            SELECT DISTINCT 'database, rights of role ' || a.grantee::regrole || ' on ' || c.relname
            FROM pg_class c CROSS JOIN aclexplode(c.relacl) a
            WHERE c.{_HERE} AND c.relname IN ({_APPEND_ONLY}) AND a.grantee <> c.relowner
              AND a.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
            UNION ALL
            SELECT 'database, session_replication_role'
            WHERE current_setting('session_replication_role') <> 'origin'""",
    ),
    "practices_are_kept_apart": Invariant(
        "row-level security is on for every table with practices, and its policies are those of this version",
        f"""SELECT 'database, row-level security of ' || c.relname FROM pg_class c
            WHERE c.{_HERE} AND c.relname IN ({_TABLES}) AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
            UNION ALL
            SELECT 'database, policy ' || coalesce(p.policyname, w.name) || ' on ' || coalesce(p.tablename, w.relation)
            FROM (
                SELECT g.relation, g.name, CASE g.role WHEN '{_OWNER}' THEN t.tableowner ELSE g.role END AS role,
                       g.command, g.condition, g.changed
                FROM (VALUES {_POLICIES}) g (relation, name, role, command, condition, changed)
                JOIN pg_tables t ON t.schemaname = current_schema() AND t.tablename = g.relation
            ) w
            FULL JOIN (
                SELECT q.* FROM pg_policies q JOIN pg_tables t USING (schemaname, tablename)
                WHERE q.schemaname = current_schema() AND q.roles && ARRAY[{_OURS}, t.tableowner]::name[]
            ) p
              ON (p.tablename, p.policyname, p.roles, p.cmd, p.qual, coalesce(p.with_check, ''))
                 = (w.relation, w.name, ARRAY[w.role]::name[], w.command, w.condition, w.changed)
            WHERE p.policyname IS NULL AND (w.role IN ('{policies.PUBLIC}', '{_OWNER}')
                                            OR EXISTS (SELECT FROM pg_roles r WHERE r.rolname = w.role))
              OR w.name IS NULL""",
    ),
}

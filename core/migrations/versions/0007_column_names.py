"""Rename columns to US billing terms, and keep the previous version's names alongside.

Expand and contract. This is the expand step: each new column is added next to the old one, and a trigger keeps both
equal, so processes of the previous version keep reading and writing the old names during and after the migration. The table
`period_act` becomes `period_event`, with an updatable view under the old name.

The contract step is the next version's migration. It drops the old columns, their triggers and the view. It must not be
part of this version, because processes of the previous version may still run.

Locks: the migration locks its tables at once, in the order in which jobs lock them, and waits at most `LOCK_TIMEOUT`.
`settle migrate` then tries again. No table is rewritten. On `claim`, only claims on hold are copied, found by index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
# In the order in which the product's transactions lock these tables, to avoid deadlocks.
LOCKED: Final = ("watch_process", "schedule", "settle_job", "exclusion", "claim", "schedule_run")

_AT: Final = sa.DateTime(timezone=True)
_JSON: Final = postgresql.JSONB()
_CODE: Final = sa.String(60)


@dataclass(frozen=True)
class Renamed:
    """A column under its old and its new name. `default` is the SQL of its database default."""

    table: str
    old: str
    new: str
    type: TypeEngine[Any]
    required: bool = True
    default: str | None = None


RENAMED: Final = (
    Renamed("settle_job", "over", "limits_exceeded", _JSON, default="'[]'::jsonb"),
    Renamed("settle_job", "forgiven_done", "budget_baseline_done", sa.Integer(), default="0"),
    Renamed("settle_job", "forgiven_failed", "budget_baseline_failed", sa.Integer(), default="0"),
    Renamed("settle_job", "after_preview", "next_step", _CODE, default="'ask'::character varying"),
    Renamed("settle_job", "night", "run_date", sa.Date(), required=False),
    Renamed("settle_job", "include", "overridden_rules", _JSON),
    Renamed("settle_job", "schedule_made_by", "schedule_created_by", sa.BigInteger(), required=False),
    Renamed("settle_job", "approval_asked_at", "approval_requested_at", _AT, required=False),
    Renamed("schedule", "late_minutes", "grace_minutes", sa.Integer()),
    Renamed("schedule", "counts_from", "active_since", _AT),
    Renamed("schedule", "made_at", "created_at", _AT),
    Renamed("schedule", "made_by", "created_by", sa.BigInteger()),
    Renamed("schedule_run", "because", "reason_code", sa.Text(), required=False),
    Renamed("schedule_run", "asked", "schedule_snapshot", _JSON),
    Renamed("schedule_run", "asked_by", "requested_by", sa.BigInteger(), required=False),
    Renamed("schedule_run", "begun_at", "created_at", _AT),
    Renamed("schedule_run", "mail_left", "mail_pending_to", _JSON),
    Renamed("schedule_run", "mail_again", "mail_followup", sa.Boolean()),
    Renamed("schedule_run", "mail_since", "mail_queued_at", _AT, required=False),
    Renamed("exclusion", "why", "reason", sa.Text()),
    Renamed("exclusion", "made_at", "created_at", _AT),
    Renamed("exclusion", "made_by", "created_by", sa.BigInteger()),
    Renamed("watch_process", "says", "details", _JSON),
    Renamed("claim", "hold_why", "hold_reason", sa.Text(), required=False),
)
TABLES: Final = tuple(dict.fromkeys(one.table for one in RENAMED))

# The rows to copy. The other tables are small, so all of their rows are copied.
_BACKFILL: Final = {"claim": "hold IS NOT NULL AND hold_why IS NOT NULL"}  # found by the index of claims on hold
# The constraints on new columns. The old ones stay valid, because both columns are equal.
CHECKS: Final = (
    ("next_step_known", "settle_job", "next_step IN ('ask', 'report', 'confirm')"),
    ("only_a_schedule_proceeds_without_a_user", "settle_job", "(next_step = 'ask') = (schedule_id IS NULL)"),
    ("only_a_schedule_has_run_dates", "settle_job", "run_date IS NULL OR schedule_id IS NOT NULL"),
    (
        "a_scheduled_job_names_the_creator_of_its_schedule",
        "settle_job",
        "(schedule_id IS NULL) = (schedule_created_by IS NULL)",
    ),
    (
        "a_requester_does_not_decide_on_the_job",
        "settle_job",
        (
            "decided_by IS NULL OR (decided_by <> requested_by AND decided_by IS DISTINCT FROM confirmed_by "
            "AND decided_by IS DISTINCT FROM schedule_created_by)"
        ),
    ),
    (
        "a_job_that_exceeds_a_limit_runs_only_approved",
        "settle_job",
        "limits_exceeded = '[]' OR confirmed_at IS NULL OR decided_by IS NOT NULL",
    ),
    ("a_run_starts_before_the_next_is_due", "schedule", "grace_minutes BETWEEN 1 AND 1380"),
)
OLD_CHECKS: Final = (
    "after_preview_known",
    "only_a_schedule_goes_on_without_being_asked",
    "only_a_schedule_has_nights",
    "a_schedules_job_names_who_made_the_schedule",
    "nobody_decides_on_a_job_of_their_own",
    "a_job_over_a_limit_runs_only_approved",
    "one_night_is_late_before_the_next_is_due",
)
OLD_INDEX: Final = "ix_schedule_run_mail"

# No code refers to these, so a rename in the catalog is enough.
_CONSTRAINTS: Final = (
    ("schedule_run", "one_run_for_each_night", "one_run_for_each_date"),
    ("schedule_run", "a_run_is_a_night_or_was_asked_for", "a_run_has_a_date_or_a_key"),
    ("period_event", "pk_period_act", "pk_period_event"),
    ("period_event", "fk_period_act_period_practice_id_month", "fk_period_event_period_practice_id_month"),
    ("period_event", "period_act_state_known", "period_event_state_known"),
)

# The caller needs the same privilege on the view and on the table.
_VIEW: Final = "CREATE VIEW period_act WITH (security_invoker = true) AS SELECT * FROM period_event"
_GRANTS: Final = """
DO $$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT a.privilege_type, a.is_grantable, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS grantee
        FROM pg_class c CROSS JOIN aclexplode(c.relacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE c.oid = 'period_event'::regclass AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON period_act TO %s', one.privilege_type, one.grantee)
            || CASE WHEN one.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END;
    END LOOP;
END $$
"""


# PostgreSQL locks each row once more before it runs any BEFORE UPDATE trigger, even one on other columns, and a job
# updates a million claims. So on `claim` the copy is an UPDATE of its own, after the write of a claim whose names differ.
_COPY_CLAIM: Final = """
CREATE FUNCTION claim_both_names() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    reason text := COALESCE(NEW.hold_reason, NEW.hold_why);
BEGIN
    IF TG_OP = 'UPDATE' THEN
        reason := CASE WHEN NEW.hold_reason IS DISTINCT FROM OLD.hold_reason THEN NEW.hold_reason ELSE NEW.hold_why END;
    END IF;
    UPDATE claim SET hold_reason = reason, hold_why = reason WHERE practice_id = NEW.practice_id AND id = NEW.id;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    _lock("period_act")
    _rename_period_act()
    for table in TABLES:
        _add_columns(table)
        if table == "schedule_run":
            op.create_index(
                "ix_schedule_run_mail_pending",
                table,
                ["mail_not_before"],
                unique=False,
                postgresql_where=sa.text("mail_followup OR mail_state IN ('none', 'due', 'sending')"),
            )


def downgrade() -> None:
    _lock("period_event")
    op.drop_index("ix_schedule_run_mail_pending", "schedule_run")
    for name, table, _ in CHECKS:
        op.drop_constraint(op.f(name), table)
    for table in reversed(TABLES):
        _drop_columns(table)
    _restore_period_act()


def _lock(month_end: str) -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.execute(f"LOCK TABLE {', '.join((*LOCKED, month_end))} IN ACCESS EXCLUSIVE MODE")


def _rename_period_act() -> None:
    op.rename_table("period_act", "period_event")
    op.execute("ALTER SEQUENCE period_act_id_seq RENAME TO period_event_id_seq")
    op.execute("ALTER TRIGGER period_act_only_grows ON period_event RENAME TO period_event_only_grows")
    for table, old, new in _CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {old} TO {new}")
    op.execute(_VIEW)
    op.execute(_GRANTS)


def _restore_period_act() -> None:
    op.execute("DROP VIEW period_act")
    for table, old, new in _CONSTRAINTS:
        op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {new} TO {old}")
    op.execute("ALTER TRIGGER period_event_only_grows ON period_event RENAME TO period_act_only_grows")
    op.execute("ALTER SEQUENCE period_event_id_seq RENAME TO period_act_id_seq")
    op.rename_table("period_event", "period_act")


def _add_columns(table: str) -> None:
    """Add the new columns with the old values and their constraints, and the trigger."""
    pairs = [one for one in RENAMED if one.table == table]
    for one in pairs:
        op.add_column(table, sa.Column(one.new, one.type, nullable=True))
    copied = ", ".join(f"{one.new} = {one.old}" for one in pairs)
    op.execute(f"UPDATE {table} SET {copied} WHERE {_BACKFILL.get(table, 'true')}")  # noqa: S608 – the names above
    for one in pairs:
        if one.required:
            op.alter_column(table, one.new, nullable=False)
        if one.default:  # a default would hide which of the two names a statement gave
            op.alter_column(table, one.old, server_default=None)
    for name, constrained, condition in CHECKS:
        if constrained == table:
            op.create_check_constraint(op.f(name), table, condition)
    op.execute(_COPY_CLAIM if table == "claim" else _function(table, pairs))
    names = ", ".join(name for one in pairs for name in (one.old, one.new))
    moment, condition = "BEFORE", ""
    if table == "claim":
        moment, condition = "AFTER", "WHEN (NEW.hold_why IS DISTINCT FROM NEW.hold_reason) "
    op.execute(
        f"CREATE TRIGGER both_names_are_equal {moment} INSERT OR UPDATE OF {names} ON {table} "
        f"FOR EACH ROW {condition}EXECUTE FUNCTION {table}_both_names()"
    )


def _drop_columns(table: str) -> None:
    op.execute(f"DROP TRIGGER both_names_are_equal ON {table}")
    op.execute(f"DROP FUNCTION {table}_both_names()")
    for one in RENAMED:
        if one.table == table:
            op.drop_column(table, one.new)
            if one.default:
                op.alter_column(table, one.old, server_default=sa.text(one.default))


def _function(table: str, pairs: Sequence[Renamed]) -> str:
    """Return the SQL of the trigger function. The side that was given or changed wins; if both were, the new name."""
    inserted = "\n        ".join(
        f"NEW.{one.new} := COALESCE({', '.join(filter(None, (f'NEW.{one.new}', f'NEW.{one.old}', one.default)))});"
        for one in pairs
    )
    updated = "\n        ".join(
        f"IF NEW.{one.new} IS NOT DISTINCT FROM OLD.{one.new} THEN NEW.{one.new} := NEW.{one.old}; END IF;"
        for one in pairs
    )
    copied = "\n    ".join(f"NEW.{one.old} := NEW.{one.new};" for one in pairs)
    return f"""
CREATE FUNCTION {table}_both_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {inserted}
    ELSE
        {updated}
    END IF;
    {copied}
    RETURN NEW;
END $$
"""

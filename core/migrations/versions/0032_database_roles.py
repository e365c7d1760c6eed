"""Let the triggers that keep the ledger and the audit log run with the rights of the tables' owner.

Web processes and workers can then connect as roles that own nothing and cannot write to the tables that only these
triggers write to. `settle migrate` grants these roles their privileges (`core.migrations.privileges`), and turns on
row-level security (`core.migrations.policies`). Functions answer the few questions that need rows of all practices.

The previous version works unchanged. The migration locks no table.
"""

from collections.abc import Sequence
from typing import Final

from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TRIGGERS: Final = (
    "chain_audit", "check_changed_keys_of_claim", "check_keys_of_claim", "check_keys_of_line_item",
    "check_keys_of_posting", "digest_postings", "give_practice_its_reasons", "move_sums_of_claim", "sum_postings",
)  # fmt: skip
# Only the owner of a table may refresh its statistics, and workers import.
_STATISTICS: Final = """
CREATE FUNCTION refresh_statistics(tables text[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = "{schema}", pg_temp AS $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY tables LOOP
        IF name <> ALL (ARRAY['office', 'provider', 'payer', 'patient', 'claim', 'line_item', 'posting', 'remittance',
                              'remittance_claim', 'remittance_line']) THEN
            RAISE insufficient_privilege;
        END IF;
        EXECUTE format('ANALYZE %I', name);
    END LOOP;
END $$
"""
# The practice of someone who signs in, before any row of it can be read.
_PRACTICE_OF: Final = {
    "session": ("bytea", "user_session s JOIN app_user u ON u.id = s.user_id WHERE s.token_hash = given"),
    "token": ("bytea", "api_token t JOIN app_user u ON u.id = t.user_id WHERE t.token_hash = given"),
    "link": ("bytea", "password_link l JOIN app_user u ON u.id = l.user_id WHERE l.token_hash = given"),
    "email": ("text", "app_user u WHERE u.email = given"),
}
_ACROSS: Final = {
    **{
        f"practice_of_{name}(given {kind})": ("bigint", f"SELECT u.practice_id FROM {found}")  # noqa: S608 – constants
        for name, (kind, found) in _PRACTICE_OF.items()
    },
    # The condition is that of the index of timed answers.
    "practices_with_timed_answers()": (
        "SETOF bigint",
        ("SELECT DISTINCT practice_id FROM remittance_claim "
        "WHERE outcome = 'held' AND reasons ?| ARRAY['future_date', 'claim_in_job']"),
    ),
    "schedule_owners()": (
        "TABLE (id bigint, active boolean, role text)",
        "SELECT u.id, u.active, u.role FROM app_user u WHERE EXISTS (SELECT FROM schedule s WHERE s.owner_id = u.id)",
    ),
    "forget_patient_searches(before timestamptz)": ("void", "DELETE FROM patient_search WHERE searched_at < before"),
}  # fmt: skip


def upgrade() -> None:
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    for name in TRIGGERS:
        op.execute(f'ALTER FUNCTION {name}() SECURITY DEFINER SET search_path = "{schema}", pg_temp')
        # Any role could attach it to a temporary table of its own, and so write what it likes.
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name}() FROM PUBLIC")
    op.execute(_STATISTICS.format(schema=schema))
    op.execute("REVOKE EXECUTE ON FUNCTION refresh_statistics(text[]) FROM PUBLIC")
    for name, (returns, body) in _ACROSS.items():
        op.execute(
            f"CREATE FUNCTION {name} RETURNS {returns} LANGUAGE sql SECURITY DEFINER "
            f'SET search_path = "{schema}", pg_temp AS $$ {body} $$'
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")


def downgrade() -> None:
    for name in ("refresh_statistics(tables text[])", *_ACROSS):
        op.execute(f"DROP FUNCTION {name}")
    for name in TRIGGERS:
        op.execute(f"ALTER FUNCTION {name}() SECURITY INVOKER")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}() TO PUBLIC")
    for name in ("chain_audit", "give_practice_its_reasons"):
        op.execute(f"ALTER FUNCTION {name}() RESET search_path")

"""Add the practice's own reasons, the layouts of write-off files, and the record of sent postings.

The new columns of `settle_job` and `schedule` have constant defaults or none, so no row is rewritten. Processes of the
previous version run without them: a job without the practice's own reason has the built-in reason of its kind. A
trigger gives each new practice the built-in reasons, because a process of the previous version may create one.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
KINDS: Final = (
    ("small_balance", "Small balance"),
    ("bad_debt", "Bad debt"),
    ("timely_filing", "Timely filing"),
    ("charity", "Charity"),
    ("courtesy", "Courtesy"),
    ("administrative", "Administrative"),
)
_AT: Final = sa.DateTime(timezone=True)
_JSON: Final = postgresql.JSONB()

_BUILT_IN: Final = ", ".join(f"('{code}', '{name}')" for code, name in KINDS)
_GIVE_REASONS: Final = f"""
CREATE FUNCTION give_practice_its_reasons() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO practice_reason (practice_id, code, name, kind, changed_at)
    SELECT NEW.id, kind.code, kind.name, kind.code, NEW.created_at FROM (VALUES {_BUILT_IN}) AS kind (code, name);
    RETURN NULL;
END $$
"""  # noqa: S608 – the names above
_FILL: Final = f"""
INSERT INTO practice_reason (practice_id, code, name, kind, changed_at)
SELECT practice.id, kind.code, kind.name, kind.code, now()
FROM practice CROSS JOIN (VALUES {_BUILT_IN}) AS kind (code, name)
"""  # noqa: S608 – the names above


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.execute("LOCK TABLE schedule, settle_job IN ACCESS EXCLUSIVE MODE")
    op.execute("LOCK TABLE practice IN SHARE ROW EXCLUSIVE MODE")  # so that no practice is created without reasons
    _create_reasons()
    op.add_column("settle_job", sa.Column("practice_reason", _JSON, server_default="{}", nullable=False))
    op.add_column("schedule", sa.Column("own_reason", sa.Text(), nullable=True))
    op.create_foreign_key(
        "a_schedule_names_its_reason",
        "schedule",
        "practice_reason",
        ["practice_id", "own_reason"],
        ["practice_id", "code"],
    )
    _create_files()


def downgrade() -> None:
    for table in ("sent_posting", "posting_file", "posting_layout"):
        op.drop_table(table)
    op.drop_constraint("a_schedule_names_its_reason", "schedule")
    op.drop_column("schedule", "own_reason")
    op.drop_column("settle_job", "practice_reason")
    op.execute("DROP TRIGGER practice_has_reasons ON practice")
    op.execute("DROP FUNCTION give_practice_its_reasons()")
    op.drop_table("practice_reason")


def _create_reasons() -> None:
    kinds = ", ".join(f"'{code}'" for code, _ in KINDS)
    op.create_table(
        "practice_reason",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("adjustment_code", sa.Text(), server_default="", nullable=False),
        sa.Column("gl_account", sa.Text(), server_default="", nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=True),
        sa.Column("changed_at", _AT, nullable=False),
        sa.Column("retired_at", _AT, nullable=True),
        sa.PrimaryKeyConstraint("practice_id", "code", name=op.f("pk_practice_reason")),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_practice_reason_practice_practice_id")),
        sa.CheckConstraint("name <> '' AND code <> ''", name=op.f("a_reason_has_a_name")),
        sa.CheckConstraint(f"kind IN ({kinds})", name=op.f("practice_reason_kind_known")),
    )
    op.create_index("reason_name_is_unique", "practice_reason", ["practice_id", sa.text("lower(name)")], unique=True)
    op.execute(_GIVE_REASONS)
    op.execute(
        "CREATE TRIGGER practice_has_reasons AFTER INSERT ON practice FOR EACH ROW "
        "EXECUTE FUNCTION give_practice_its_reasons()"
    )
    op.execute(_FILL)


def _create_files() -> None:
    op.create_table(
        "posting_layout",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("layout", _JSON, nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", _AT, nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_posting_layout")),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_posting_layout_practice_practice_id")),
    )
    op.create_index(
        "posting_layout_name_is_unique", "posting_layout", ["practice_id", sa.text("lower(name)")], unique=True
    )
    op.create_table(
        "posting_file",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("sent_by", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", _AT, nullable=False),
        sa.Column("layout_name", sa.Text(), nullable=False),
        sa.Column("layout", _JSON, nullable=False),
        sa.Column("codes", _JSON, nullable=False),
        sa.Column("write_offs", sa.Integer(), nullable=False),
        sa.Column("reversals", sa.Integer(), nullable=False),
        sa.Column("written_off_cents", sa.BigInteger(), nullable=False),
        sa.Column("reversed_cents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_posting_file")),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_posting_file_practice_practice_id")),
        sa.UniqueConstraint("practice_id", "sent_by", "idempotency_key", name="one_posting_file_for_each_key"),
    )
    op.create_table(
        "sent_posting",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("posting_id", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "claim_id", "line", "posting_id", name=op.f("pk_sent_posting")),
        sa.ForeignKeyConstraint(
            ["practice_id", "file_id"],
            ["posting_file.practice_id", "posting_file.id"],
            name=op.f("fk_sent_posting_posting_file_practice_id_file_id"),
        ),
    )
    op.create_index(
        "ix_sent_posting_file", "sent_posting", ["practice_id", "file_id", "claim_id", "line", "posting_id"]
    )

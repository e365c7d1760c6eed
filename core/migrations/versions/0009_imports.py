"""Add imports and the pieces of their files.

The two new tables are not used by the previous version.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_STATUSES = (
    "uploading", "staged", "checking", "needs_mapping", "ready", "importing", "imported", "refused", "discarded",
)  # fmt: skip
_SOURCES = ("csv", "synthea", "file")


def upgrade() -> None:
    op.create_table(
        "import_job",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(*_STATUSES, name="import_status_known", native_enum=False, create_constraint=True, length=60),
            nullable=False,
        ),
        sa.Column(
            "source",
            sa.Enum(*_SOURCES, name="import_source_known", native_enum=False, create_constraint=True, length=60),
            nullable=True,
        ),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("expected_cents", sa.BigInteger(), nullable=True),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=True),
        sa.Column("phase_done", sa.BigInteger(), nullable=False),
        sa.Column("phase_total", sa.BigInteger(), nullable=False),
        sa.Column("report", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("refused_because", sa.Text(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_by", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'refused') = (refused_because IS NOT NULL)", name="a_refused_import_has_a_reason"
        ),
        sa.CheckConstraint(
            "status NOT IN ('importing', 'imported') OR confirmed_by IS NOT NULL", name="an_import_runs_only_confirmed"
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_import_job_practice_practice_id")),
        sa.ForeignKeyConstraint(["requested_by"], ["app_user.id"], name=op.f("fk_import_job_app_user_requested_by")),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_import_job")),
        sa.UniqueConstraint(
            "practice_id", "requested_by", "idempotency_key", name="one_import_for_each_idempotency_key"
        ),
    )
    op.create_index(
        "ix_import_job_unfinished",
        "import_job",
        ["status"],
        postgresql_where=sa.text("status NOT IN ('imported', 'refused', 'discarded')"),
    )
    op.create_table(
        "import_piece",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=False),
        sa.Column("file", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(content) BETWEEN 1 AND 1048576", name="a_piece_is_small"),
        sa.ForeignKeyConstraint(
            ["practice_id", "import_id"],
            ["import_job.practice_id", "import_job.id"],
            name=op.f("fk_import_piece_import_job_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "import_id", "file", "number", name=op.f("pk_import_piece")),
    )
    # Uncompressed, because a piece is written and read once.
    op.execute("ALTER TABLE import_piece ALTER COLUMN content SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("import_piece")
    op.drop_table("import_job")

"""Add saved mappings of import files.

The new table is not used by the previous version.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "import_mapping",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("saved_by", sa.BigInteger(), nullable=True),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 60", name="a_mapping_has_a_short_name"),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_import_mapping_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_import_mapping")),
        sa.UniqueConstraint("practice_id", "name", name="mapping_name_is_unique_in_its_practice"),
    )


def downgrade() -> None:
    op.drop_table("import_mapping")

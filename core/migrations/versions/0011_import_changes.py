"""Store the old and new values of the changes that an import makes to existing records.

The new table is not used by the previous version. Other tables are locked only for the change in the catalog.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "import_change",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("old", sa.Text(), nullable=True),
        sa.Column("new", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "entry_id"],
            ["audit_entry.practice_id", "audit_entry.id"],
            name=op.f("fk_import_change_audit_entry_practice_id_entry_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_import_change")),
    )
    op.create_index("ix_import_change_entry", "import_change", ["practice_id", "entry_id", "id"])
    op.execute(
        "CREATE TRIGGER import_change_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON import_change "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_table("import_change")

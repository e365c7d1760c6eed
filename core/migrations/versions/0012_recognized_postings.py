"""Record which postings in an export are already in the ledger as write-offs.

The new table is not used by the previous version. Its foreign key locks the table of service lines for a moment.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "recognized_posting",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("responsibility", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_by", sa.Text(), nullable=True),
        sa.Column("group_code", sa.Text(), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("recognized_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id", "line"],
            ["line_item.practice_id", "line_item.claim_id", "line_item.number"],
            name=op.f("fk_recognized_posting_line_item_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "source", "source_id", name=op.f("pk_recognized_posting")),
    )
    op.create_index("ix_recognized_posting_claim", "recognized_posting", ["practice_id", "claim_id", "source"])


def downgrade() -> None:
    op.drop_table("recognized_posting")

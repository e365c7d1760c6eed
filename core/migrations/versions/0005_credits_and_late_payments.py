"""Add indexes for credits and for reversals by late payments.

Both indexes have few rows: claims with a credit, and postings that a late payment caused. Building them reads the
tables once and blocks writes until it is done. Jobs write to neither index, because they skip claims with a credit and
a late payment causes none of their postings.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_claim_with_credit",
        "claim",
        ["practice_id", "service_date", "id"],
        unique=False,
        postgresql_where=sa.text("has_credit_line"),
    )
    op.create_index(
        "ix_posting_that_came_late",
        "posting",
        ["practice_id", "origin_job_id"],
        unique=False,
        postgresql_where=sa.text("caused_by_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_posting_that_came_late", table_name="posting")
    op.drop_index("ix_claim_with_credit", table_name="claim")

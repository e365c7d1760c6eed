"""Add the practice's small-balance limit: $25.00 for new and existing practices.

A write-off with a small_balance reason skips claims above it. The column has a constant default, so no row
is rewritten, and a process of the previous version can still create a practice. Existing previews have no limit, and
that does not change.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.add_column(
        "practice", sa.Column("small_balance_max_cents", sa.BigInteger(), server_default="2500", nullable=False)
    )
    op.create_check_constraint(op.f("small_balance_is_an_amount"), "practice", "small_balance_max_cents >= 1")


def downgrade() -> None:
    op.drop_column("practice", "small_balance_max_cents")

"""Give a job a name, a label that a user may choose.

The column has a constant default, so no row is rewritten, and a process of the previous version creates jobs without a
name.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.add_column("settle_job", sa.Column("name", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("settle_job", "name")

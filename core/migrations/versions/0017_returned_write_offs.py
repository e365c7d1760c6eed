"""Let a write-off count as sent without a file, because an export repeated it.

The previous version reads such a row as sent, which is right.
"""

from collections.abc import Sequence
from typing import Final

from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.alter_column("sent_posting", "file_id", nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM sent_posting WHERE file_id IS NULL")
    op.alter_column("sent_posting", "file_id", nullable=False)

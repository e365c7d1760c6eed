"""Record whether a practice has chosen its Balance Writeoff setting.

The column has a constant default, so no row is rewritten. Existing practices count as having chosen, and so does a
practice that a process of the previous version creates.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.add_column("practice", sa.Column("write_off_chosen", sa.Boolean(), server_default=sa.true(), nullable=False))


def downgrade() -> None:
    op.drop_column("practice", "write_off_chosen")

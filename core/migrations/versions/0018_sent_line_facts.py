"""Keep the date of service and procedure code of a sent posting, because an import may change both.

In the rows of earlier files the columns stay empty, and such a file shows today's values, as before. Filling the
columns would take a long time, and all migrations of an upgrade share one transaction, in which 0016 locks nine tables.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.add_column("sent_posting", sa.Column("service_date", sa.Date(), nullable=True))
    op.add_column("sent_posting", sa.Column("procedure_code", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("sent_posting", "procedure_code")
    op.drop_column("sent_posting", "service_date")

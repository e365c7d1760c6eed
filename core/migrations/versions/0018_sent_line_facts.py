"""Keep the date of service and procedure code of a sent posting, because an import may change both.

Rows of earlier files get today's values. The previous version leaves the columns empty.
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

FILL: Final = """
UPDATE sent_posting SET service_date = claim.service_date, procedure_code = line_item.procedure_code
FROM claim JOIN line_item ON line_item.practice_id = claim.practice_id AND line_item.claim_id = claim.id
WHERE claim.practice_id = sent_posting.practice_id AND claim.id = sent_posting.claim_id
    AND line_item.number = sent_posting.line
"""


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.add_column("sent_posting", sa.Column("service_date", sa.Date(), nullable=True))
    op.add_column("sent_posting", sa.Column("procedure_code", sa.Text(), nullable=True))
    op.execute(FILL)


def downgrade() -> None:
    op.drop_column("sent_posting", "procedure_code")
    op.drop_column("sent_posting", "service_date")

"""Add columns for the rules about denials and statements, and the practice's limits for these rules.

The new columns of `claim` are empty and those of `practice` have constant defaults, so no row is rewritten, and
processes of the previous version run without them. `claim` gets no check constraint, because reading every claim would
hold the lock for too long; the import checks the values. Existing previews have these rules turned off.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_OF_CLAIM: Final = {
    "statements_sent": sa.Integer(),
    "last_statement_on": sa.Date(),
    "denied_on": sa.Date(),
    "denial_group": sa.Text(),
    "denial_carc": sa.Text(),
}
_OF_PRACTICE: Final = {"appeal_window_days": "180", "statements_min": "0", "statement_days": "0"}


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for name, default in _OF_PRACTICE.items():
        op.add_column("practice", sa.Column(name, sa.Integer(), server_default=default, nullable=False))
    op.create_check_constraint(
        op.f("rule_numbers_not_negative"),
        "practice",
        "appeal_window_days >= 0 AND statements_min >= 0 AND statement_days >= 0",
    )
    for name, kind in _OF_CLAIM.items():
        op.add_column("claim", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name in _OF_CLAIM:
        op.drop_column("claim", name)
    for name in _OF_PRACTICE:
        op.drop_column("practice", name)

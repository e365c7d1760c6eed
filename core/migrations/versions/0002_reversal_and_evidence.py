"""Add the originals of reversals, the A/R before and after each chunk, and the values behind each skip.

Locks are brief: columns are added without a rewrite, and constraints are checked only on small tables.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

BUDGET = {"failure_percent_max": "50", "failure_claims_min": "50", "failures_alike_max": "20"}
RECEIVABLE = ("insurance_before_cents", "patient_before_cents", "insurance_after_cents", "patient_after_cents")


def upgrade() -> None:
    for name, default in BUDGET.items():
        op.add_column("practice", sa.Column(name, sa.Integer(), server_default=default, nullable=False))
    op.create_check_constraint(
        op.f("failure_budget_makes_sense"),
        "practice",
        "failure_percent_max BETWEEN 1 AND 100 AND failure_claims_min >= 1 AND failures_alike_max >= 2",
    )
    op.add_column("settle_job", sa.Column("forgiven_done", sa.Integer(), server_default="0", nullable=False))
    op.add_column("settle_job", sa.Column("forgiven_failed", sa.Integer(), server_default="0", nullable=False))
    op.add_column("settle_job", sa.Column("reverses_job_id", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("a_reverse_job_names_its_original"), "settle_job", "(kind = 'reverse') = (reverses_job_id IS NOT NULL)"
    )
    op.create_foreign_key(
        op.f("a_reversed_job_is_a_job"),
        "settle_job",
        "settle_job",
        ["practice_id", "reverses_job_id"],
        ["practice_id", "id"],
    )
    for name in RECEIVABLE:
        op.add_column("job_chunk", sa.Column(name, sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("job_item", sa.Column("why", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("job_item", "why")
    for name in RECEIVABLE:
        op.drop_column("job_chunk", name)
    for name in ("reverses_job_id", "forgiven_failed", "forgiven_done"):
        op.drop_column("settle_job", name)
    for name in BUDGET:
        op.drop_column("practice", name)

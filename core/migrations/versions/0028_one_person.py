"""Let an administrator choose that one person works in the practice, and record the choice in each job that used it.

A process of the previous version runs no job without approval. The check on the old column `over` goes, because that
column equals `limits_exceeded`.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_AT = sa.DateTime(timezone=True)
_APPROVED: Final = "a_job_that_exceeds_a_limit_runs_only_approved"
OLD_CHECK: Final = "a_job_over_a_limit_runs_only_approved"
_CHOICE: Final = "a_job_without_approval_names_the_choice"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for table, prefix in (("practice", "one_person"), ("settle_job", "without_approval")):
        op.add_column(table, sa.Column(f"{prefix}_chosen_by", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column(f"{prefix}_chosen_at", _AT, nullable=True))
    op.create_check_constraint(
        "a_choice_has_a_user_and_a_time", "practice", "num_nulls(one_person_chosen_by, one_person_chosen_at) IN (0, 2)"
    )
    for name in (_APPROVED, OLD_CHECK):
        op.drop_constraint(name, "settle_job")
    op.create_check_constraint(
        _APPROVED,
        "settle_job",
        "limits_exceeded = '[]' OR confirmed_at IS NULL OR decided_by IS NOT NULL "
        "OR without_approval_chosen_by IS NOT NULL",
    )
    op.create_check_constraint(
        _CHOICE,
        "settle_job",
        "num_nulls(without_approval_chosen_by, without_approval_chosen_at) = 2 OR "
        "(num_nulls(without_approval_chosen_by, without_approval_chosen_at) = 0 AND decided_by IS NULL "
        "AND schedule_id IS NULL AND confirmed_at IS NOT NULL "
        "AND confirmed_at - without_approval_chosen_at >= interval '24 hours')",
    )


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.drop_constraint(_CHOICE, "settle_job")
    op.drop_constraint(_APPROVED, "settle_job")
    # Jobs that ran without approval stay.
    kept = op.get_bind().scalar(sa.text("SELECT EXISTS (SELECT FROM settle_job WHERE without_approval_chosen_by > 0)"))
    for name, column in ((_APPROVED, "limits_exceeded"), (OLD_CHECK, "over")):
        condition = f"{column} = '[]' OR confirmed_at IS NULL OR decided_by IS NOT NULL"
        op.create_check_constraint(name, "settle_job", condition, postgresql_not_valid=kept)
    op.drop_constraint("a_choice_has_a_user_and_a_time", "practice")
    for table, prefix in (("practice", "one_person"), ("settle_job", "without_approval")):
        op.drop_column(table, f"{prefix}_chosen_at")
        op.drop_column(table, f"{prefix}_chosen_by")

"""Add users' second factors and recovery codes, when a session last gave a code, and a practice's choices about both.

Practices that exist keep working without a second factor. The previous version does not use any of this.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_AT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "second_factor",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("added_at", _AT, nullable=False),
        sa.Column("used_step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_second_factor_app_user_user_id"),
        sa.PrimaryKeyConstraint("user_id", name="pk_second_factor"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["second_factor.user_id"], ondelete="CASCADE", name="fk_recovery_code_second_factor_user_id"
        ),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="pk_recovery_code"),
    )
    op.add_column("user_session", sa.Column("verified_at", _AT, nullable=True))
    op.add_column(
        "practice", sa.Column("second_factor_required", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "practice", sa.Column("large_confirm_cents", sa.BigInteger(), server_default="1000000", nullable=False)
    )
    op.create_check_constraint("large_confirm_not_negative", "practice", "large_confirm_cents >= 0")


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.drop_constraint("large_confirm_not_negative", "practice")
    op.drop_column("practice", "large_confirm_cents")
    op.drop_column("practice", "second_factor_required")
    op.drop_column("user_session", "verified_at")
    op.drop_table("recovery_code")
    op.drop_table("second_factor")

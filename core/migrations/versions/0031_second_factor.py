"""Add users' second factors, passkeys and recovery codes, when a session was last verified, and a practice's choices.

Practices that exist keep working without a second factor. The previous version does not use any of this.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

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
        sa.Column("secret", sa.Text(), nullable=True),
        sa.Column("added_at", _AT, nullable=True),
        sa.Column("used_step", sa.BigInteger(), nullable=True),
        sa.Column("failures", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failing_since", _AT, nullable=True),
        sa.CheckConstraint(
            "(secret IS NULL) = (added_at IS NULL) AND (secret IS NULL) = (used_step IS NULL)", name="an_app_is_whole"
        ),
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
    _create_passkeys()
    op.add_column("user_session", sa.Column("verified_at", _AT, nullable=True))
    op.add_column(
        "practice", sa.Column("second_factor_required", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column(
        "practice", sa.Column("large_confirm_cents", sa.BigInteger(), server_default="1000000", nullable=False)
    )
    op.create_check_constraint("large_confirm_not_negative", "practice", "large_confirm_cents >= 0")


def _create_passkeys() -> None:
    op.create_table(
        "passkey",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", JSONB(), nullable=False),
        sa.Column("added_at", _AT, nullable=False),
        sa.Column("used_at", _AT, nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["second_factor.user_id"], ondelete="CASCADE", name="fk_passkey_second_factor_user_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_passkey"),
        sa.UniqueConstraint("credential_id", name="passkey_is_unique"),
    )
    op.create_index("ix_passkey_user", "passkey", ["user_id"])
    op.create_table(
        "passkey_challenge",
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("made_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_passkey_challenge_app_user_user_id"),
        sa.PrimaryKeyConstraint("challenge", name="pk_passkey_challenge"),
    )
    op.create_index("ix_passkey_challenge_user", "passkey_challenge", ["user_id"])
    # Rewrites the table, which has a row for each user, so the lock is short.
    op.add_column(
        "app_user", sa.Column("passkey_handle", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False)
    )


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.drop_constraint("large_confirm_not_negative", "practice")
    op.drop_column("practice", "large_confirm_cents")
    op.drop_column("practice", "second_factor_required")
    op.drop_column("user_session", "verified_at")
    op.drop_column("app_user", "passkey_handle")
    op.drop_table("passkey_challenge")
    op.drop_table("passkey")
    op.drop_table("recovery_code")
    op.drop_table("second_factor")

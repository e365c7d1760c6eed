"""Add links that set a password, given passwords, what a list of sessions shows, and scopes and expiry of tokens.

The previous version does not use them. The foreign keys lock the tables of users and messages for a moment.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0027"
down_revision: str | None = "0026"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_AT = sa.DateTime(timezone=True)
_ALL_SCOPES: Final = '["read", "post", "confirm", "manage"]'
_SUBJECT: Final = "a_message_has_one_subject"


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.add_column(
        "app_user", sa.Column("must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "password_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("expires_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_password_link_app_user_user_id"),
        sa.PrimaryKeyConstraint("id", name="pk_password_link"),
        sa.UniqueConstraint("token_hash", name="password_link_is_unique"),
    )
    op.create_index("ix_password_link_user", "password_link", ["user_id"])
    op.add_column("outbox", sa.Column("password_link_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        "fk_outbox_password_link_password_link_id", "outbox", "password_link", ["password_link_id"], ["id"],
        ondelete="CASCADE",
    )  # fmt: skip
    op.create_index(
        "ix_outbox_link", "outbox", ["password_link_id"], postgresql_where=sa.text("password_link_id IS NOT NULL")
    )
    op.create_index(
        "one_view_for_each_user_claim_and_hour", "audit_entry",
        ["practice_id", "user_id", "subject", sa.text("date_bin('01:00:00', at, '2000-01-01 00:00:00+00')")],
        unique=True, postgresql_where=sa.text("act = 'claim.viewed'"),
    )  # fmt: skip
    op.drop_constraint(_SUBJECT, "outbox")
    op.create_check_constraint(_SUBJECT, "outbox", "num_nonnulls(notice_id, run_id, webhook_id, password_link_id) = 1")
    op.add_column("user_session", sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False))
    op.create_unique_constraint("session_id_is_unique", "user_session", ["id"])
    for name in ("browser", "address"):
        op.add_column("user_session", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.add_column("api_token", sa.Column("name", sa.Text(), server_default="", nullable=False))
    op.add_column("api_token", sa.Column("scopes", postgresql.JSONB(), server_default=_ALL_SCOPES, nullable=False))
    op.add_column("api_token", sa.Column("expires_at", _AT, nullable=True))


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.drop_index("one_view_for_each_user_claim_and_hour", "audit_entry")
    for name in ("name", "scopes", "expires_at"):
        op.drop_column("api_token", name)
    for name in ("id", "browser", "address"):
        op.drop_column("user_session", name)
    op.execute("DELETE FROM outbox WHERE password_link_id IS NOT NULL")
    op.drop_constraint(_SUBJECT, "outbox")
    op.drop_column("outbox", "password_link_id")
    op.create_check_constraint(_SUBJECT, "outbox", "num_nonnulls(notice_id, run_id, webhook_id) = 1")
    op.drop_table("password_link")
    op.drop_column("app_user", "must_change_password")

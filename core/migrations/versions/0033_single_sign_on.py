"""Add single sign-on: identity providers, domains, groups, identities of users, and what a session knows of them.

The previous version does not use any of this. Its sign-in page keeps accepting passwords.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0033"
down_revision: str | None = "0032"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_AT = sa.DateTime(timezone=True)


# Before a user is known, and so before any row of a practice can be read.
_ACROSS: Final = {
    "practice_of_domain(given text)": (
        "bigint",
        ("SELECT d.practice_id FROM sign_in_domain d JOIN single_sign_on s ON s.practice_id = d.practice_id "
        "WHERE s.active AND d.domain = given"),
    ),
    "practice_of_state(given bytea)": (
        "bigint", "SELECT r.practice_id FROM sign_in_request r WHERE r.state_hash = given",
    ),
    "practices_with_single_sign_on()": (
        "SETOF bigint", "SELECT s.practice_id FROM single_sign_on s WHERE s.active LIMIT 2",
    ),
    "passwords_sign_in()": (
        "boolean",
        ("SELECT EXISTS (SELECT FROM app_user u WHERE u.active AND NOT EXISTS (SELECT FROM single_sign_on s "
        "WHERE s.practice_id = u.practice_id AND NOT s.password_sign_in))"),
    ),
}  # fmt: skip


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    _create_settings()
    op.create_table(
        "user_identity",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("linked_at", _AT, nullable=False),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_user_identity_practice_practice_id"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_user_identity_app_user_user_id"),
        sa.PrimaryKeyConstraint("practice_id", "issuer", "subject", name="pk_user_identity"),
        sa.UniqueConstraint("user_id", "issuer", name="a_user_has_one_identity_at_each_provider"),
    )
    op.create_table(
        "sign_in_request",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("code_verifier", sa.Text(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("form", postgresql.JSONB(), nullable=True),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_sign_in_request_practice_practice_id"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_sign_in_request_app_user_user_id"),
        sa.PrimaryKeyConstraint("state_hash", name="pk_sign_in_request"),
    )
    op.add_column("user_session", sa.Column("identity_factor", sa.Boolean(), nullable=True))
    op.add_column("user_session", sa.Column("id_token", sa.Text(), nullable=True))
    schema = op.get_bind().exec_driver_sql("SELECT current_schema()").scalar_one()
    for name, (returns, body) in _ACROSS.items():
        op.execute(
            f"CREATE FUNCTION {name} RETURNS {returns} LANGUAGE sql SECURITY DEFINER "
            f'SET search_path = "{schema}", pg_temp AS $$ {body} $$'
        )
        op.execute(f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC")


def _create_settings() -> None:
    op.create_table(
        "single_sign_on",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("issuer_set_by", sa.BigInteger(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("client_secret", sa.Text(), nullable=False),
        sa.Column("groups_claim", sa.Text(), nullable=False),
        sa.Column("adds_users", sa.Boolean(), nullable=False),
        sa.Column("asks_second_factor", sa.Boolean(), nullable=False),
        sa.Column("password_sign_in", sa.Boolean(), nullable=False),
        sa.CheckConstraint("active OR password_sign_in", name="users_can_sign_in"),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_single_sign_on_practice_practice_id"),
        sa.PrimaryKeyConstraint("practice_id", name="pk_single_sign_on"),
    )
    op.create_table(
        "sign_in_domain",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["single_sign_on.practice_id"], ondelete="CASCADE",
            name="fk_sign_in_domain_single_sign_on_practice_id",
        ),
        sa.PrimaryKeyConstraint("domain", name="pk_sign_in_domain"),
    )  # fmt: skip
    op.create_table(
        "group_role",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "role",
            sa.Enum("biller", "approver", "admin", "ops", name="group_role_known", native_enum=False,
                    create_constraint=True, length=60),
            nullable=False,
        ),
        sa.Column("set_by", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["single_sign_on.practice_id"], ondelete="CASCADE",
            name="fk_group_role_single_sign_on_practice_id",
        ),
        sa.PrimaryKeyConstraint("practice_id", "group_name", name="pk_group_role"),
    )  # fmt: skip


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for name in _ACROSS:
        op.execute(f"DROP FUNCTION {name}")
    op.drop_column("user_session", "id_token")
    op.drop_column("user_session", "identity_factor")
    for table in ("sign_in_request", "user_identity", "group_role", "sign_in_domain", "single_sign_on"):
        op.drop_table(table)

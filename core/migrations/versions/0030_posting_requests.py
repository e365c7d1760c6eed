"""Store postings by hand over the per-claim limit until another user approves them.

A process of the previous version refuses such an adjustment, and posts such a payment or transfer. The foreign keys
lock the tables of practices and claims for a moment.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0030"
down_revision: str | None = "0029"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_AT: Final = sa.DateTime(timezone=True)
_KINDS: Final = ("charge", "payment", "adjustment", "transfer", "write_off", "reversal")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=f"posting_request_{name}_known", native_enum=False, create_constraint=True, length=60)


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.create_table(
        "posting_request",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("kind", _enum("kind", *_KINDS), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("responsibility", _enum("responsibility", "insurance", "patient"), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_by", _enum("paid_by", "primary", "secondary", "patient"), nullable=True),
        sa.Column("group_code", _enum("group_code", "CO", "PR", "OA", "PI"), nullable=True),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("credit_cents", sa.BigInteger(), nullable=False),
        sa.Column("limit_cents", sa.BigInteger(), nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("state", _enum("state", "waiting", "posted", "rejected", "withdrawn"), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", _AT, nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", _AT, nullable=True),
        sa.Column("decision_note", sa.Text(), nullable=True),
        sa.CheckConstraint("amount_cents > 0", name="a_requested_posting_lowers_a_balance"),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="a_decided_posting_has_a_user_and_a_time",
        ),
        sa.CheckConstraint(
            "decided_by IS NULL OR (state = 'withdrawn') = (decided_by = requested_by)",
            name="another_user_decides_on_a_posting",
        ),
        sa.CheckConstraint(
            "(state = 'rejected') = (decision_note IS NOT NULL)", name="a_rejected_posting_has_a_reason"
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_posting_request_practice_practice_id"),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id"],
            ["claim.practice_id", "claim.id"],
            name="fk_posting_request_claim_practice_id_claim_id",
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_posting_request"),
        sa.UniqueConstraint("practice_id", "source_id", name="one_posting_request_for_each_source_id"),
    )
    op.create_index("ix_posting_request_claim", "posting_request", ["practice_id", "claim_id"])
    op.create_index(
        "ix_posting_request_waiting", "posting_request", ["practice_id", "id"],
        postgresql_where=sa.text("state = 'waiting'"),
    )  # fmt: skip


def downgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    op.drop_table("posting_request")

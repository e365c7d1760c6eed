"""Store how claims were sent to payers in 837 files, and allow imports of X12 files.

The previous version uses none of the new tables. The new check of the kinds of import reads one row for each import.
Foreign keys lock the tables of claims and service lines for a moment.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_SOURCES: Final = ("csv", "synthea", "file")


def _allow_sources(*sources: str) -> None:
    op.drop_constraint("import_source_known", "import_job", type_="check")
    allowed = ", ".join(f"'{source}'" for source in sources)
    op.create_check_constraint("import_source_known", "import_job", f"source IN ({allowed})")


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    _allow_sources(*_SOURCES, "x12")
    op.create_table(
        "sent_claim",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("payer_order", sa.Text(), nullable=False),
        sa.Column("payer_number", sa.Text(), nullable=True),
        sa.Column("payer_name", sa.Text(), nullable=True),
        sa.Column("member_id", sa.Text(), nullable=True),
        sa.Column("frequency", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("status_on", sa.Date(), nullable=True),
        sa.Column("payer_claim_number", sa.Text(), nullable=True),
        sa.CheckConstraint("payer_order IN ('P', 'S', 'T')", name=op.f("payer_order_known")),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id"],
            ["claim.practice_id", "claim.id"],
            name=op.f("fk_sent_claim_claim_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "claim_id", "payer_order", name=op.f("pk_sent_claim")),
    )
    op.create_index("ix_sent_claim_member", "sent_claim", ["practice_id", "member_id"])
    op.create_index(
        "ix_sent_claim_payer_number",
        "sent_claim",
        ["practice_id", "payer_claim_number"],
        postgresql_where=sa.text("payer_claim_number IS NOT NULL"),
    )
    op.create_table(
        "sent_number",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id"],
            ["claim.practice_id", "claim.id"],
            name=op.f("fk_sent_number_claim_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "number", name=op.f("pk_sent_number")),
    )
    op.create_table(
        "waiting_acknowledgment",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_number", sa.Text(), nullable=False),
        sa.Column("payer", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_on", sa.Date(), nullable=True),
        sa.Column("payer_claim_number", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id"], ["practice.id"], name=op.f("fk_waiting_acknowledgment_practice_practice_id")
        ),
        sa.PrimaryKeyConstraint("practice_id", "claim_number", "payer", name=op.f("pk_waiting_acknowledgment")),
    )
    op.create_table(
        "own_tax_id",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("tax_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_own_tax_id_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "tax_id", name=op.f("pk_own_tax_id")),
    )
    op.create_table(
        "sent_line",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("control_number", sa.Text(), nullable=True),
        sa.Column("modifiers", sa.Text(), nullable=False),
        sa.Column("service_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id", "line"],
            ["line_item.practice_id", "line_item.claim_id", "line_item.number"],
            name=op.f("fk_sent_line_line_item_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "claim_id", "line", name=op.f("pk_sent_line")),
    )


def downgrade() -> None:
    op.drop_table("sent_line")
    op.drop_table("own_tax_id")
    op.drop_table("waiting_acknowledgment")
    op.drop_table("sent_number")
    op.drop_table("sent_claim")
    _allow_sources(*_SOURCES)

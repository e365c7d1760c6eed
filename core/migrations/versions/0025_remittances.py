"""Add remittances, the payers' answers on claims, provider adjustments and posting rules.

The previous version does not use the new tables and columns. The foreign key to the practice and the columns of the
newest answer lock their tables for a moment.
"""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0025"
down_revision: str | None = "0024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

LOCK_TIMEOUT: Final = "5s"
_AT: Final = sa.DateTime(timezone=True)
_JSON: Final = postgresql.JSONB(astext_type=sa.Text())
_KEY: Final = ("practice_id", "remittance_id")
_ANSWER_TEXTS: Final = ("last_answer_status", "payer_claim_number")


def _needed(type_: object, *names: str) -> list[sa.Column]:
    return [sa.Column(name, type_, nullable=False) for name in names]


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=60)


def upgrade() -> None:
    op.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    _create_remittance()
    _create_claim()
    _create_line()
    op.create_table(
        "provider_adjustment",
        *_needed(sa.BigInteger(), *_KEY),
        *_needed(sa.Integer(), "ordinal"),
        *_needed(sa.Text(), "provider_id", "reason", "reference"),
        *_needed(sa.BigInteger(), "cents"),
        sa.ForeignKeyConstraint(
            [*_KEY], ["remittance.practice_id", "remittance.id"],
            name="fk_provider_adjustment_remittance_practice_id_remittance_id",
        ),
        sa.PrimaryKeyConstraint(*_KEY, "ordinal", name="pk_provider_adjustment"),
    )  # fmt: skip
    op.create_table(
        "posting_rule",
        *_needed(sa.BigInteger(), "practice_id"),
        *_needed(_enum("rule_group_known", "CO", "PR", "OA", "PI"), "group_code"),
        *_needed(sa.Text(), "reason_code"),
        *_needed(_enum("rule_action_known", "post", "track", "hold", "transfer", "memo"), "action"),
        *_needed(sa.BigInteger(), "changed_by"),
        *_needed(_AT, "changed_at"),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_posting_rule_practice_practice_id"),
        sa.PrimaryKeyConstraint("practice_id", "group_code", "reason_code", name="pk_posting_rule"),
    )
    op.add_column("claim", sa.Column("last_answer_on", sa.Date(), nullable=True))
    for name in _ANSWER_TEXTS:
        op.add_column("claim", sa.Column(name, sa.Text(), nullable=True))


def _create_remittance() -> None:
    op.create_table(
        "remittance",
        *_needed(sa.BigInteger(), "practice_id"),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("import_id", sa.BigInteger(), nullable=True),
        *_needed(sa.Text(), "file_name"),
        *_needed(sa.Integer(), "ordinal"),
        *_needed(
            sa.Text(), "digest", "version", "payer_name", "payer_id", "payer_tax_id", "payee_id", "trace", "method"
        ),
        sa.Column("paid_on", sa.Date(), nullable=True),
        *_needed(sa.BigInteger(), "paid_cents", "claims_cents", "provider_cents"),
        *_needed(sa.Integer(), "claims"),
        sa.Column("held_because", sa.Text(), nullable=True),
        *_needed(_JSON, "faults"),
        *_needed(_AT, "received_at"),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_remittance_practice_practice_id"),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_remittance"),
        sa.UniqueConstraint("practice_id", "digest", name="a_remittance_is_recorded_once"),
    )
    op.create_index("ix_remittance_trace", "remittance", ["practice_id", "trace"])


def _create_claim() -> None:
    op.create_table(
        "remittance_claim",
        *_needed(sa.BigInteger(), *_KEY),
        *_needed(sa.Integer(), "ordinal"),
        *_needed(sa.Text(), "claim_number", "status", "payer_claim_id", "patient_name", "member_id"),
        *_needed(sa.BigInteger(), "charge_cents", "paid_cents", "patient_cents"),
        sa.Column("first_on", sa.Date(), nullable=True),
        sa.Column("last_on", sa.Date(), nullable=True),
        *_needed(sa.Boolean(), "has_next_payer"),
        *_needed(_JSON, "faults", "unreadable"),
        sa.Column("claim_id", sa.BigInteger(), nullable=True),
        sa.Column("payer_role", _enum("payer_role_known", "primary", "secondary", "patient"), nullable=True),
        *_needed(
            _enum("remittance_outcome_known", "posted", "warned", "held", "ignored", "nothing_to_post"), "outcome"
        ),
        *_needed(_JSON, "reasons"),
        *_needed(sa.Integer(), "postings"),
        sa.Column("reverses_remittance_id", sa.BigInteger(), nullable=True),
        sa.Column("reverses_ordinal", sa.Integer(), nullable=True),
        sa.Column("posted_at", _AT, nullable=True),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", _AT, nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome NOT IN ('posted', 'warned') OR (claim_id IS NOT NULL AND posted_at IS NOT NULL)",
            name="a_posted_answer_has_a_claim",
        ),
        sa.CheckConstraint("outcome <> 'held' OR reasons <> '[]'", name="a_held_answer_has_a_reason"),
        sa.ForeignKeyConstraint(
            [*_KEY], ["remittance.practice_id", "remittance.id"],
            name="fk_remittance_claim_remittance_practice_id_remittance_id",
        ),
        sa.PrimaryKeyConstraint(*_KEY, "ordinal", name="pk_remittance_claim"),
    )  # fmt: skip
    matched, held = sa.text("claim_id IS NOT NULL"), sa.text("outcome = 'held'")
    op.create_index(
        "ix_remittance_claim_claim", "remittance_claim", ["practice_id", "claim_id"], postgresql_where=matched
    )
    op.create_index("ix_remittance_claim_payer_number", "remittance_claim", ["practice_id", "payer_claim_id"])
    op.create_index("ix_remittance_claim_held", "remittance_claim", [*_KEY], postgresql_where=held)
    op.create_index(
        "ix_remittance_claim_timed", "remittance_claim", ["practice_id"],
        postgresql_where=sa.text("outcome = 'held' AND reasons ?| ARRAY['future_date', 'claim_in_job']"),
    )  # fmt: skip
    op.create_index(
        "an_answer_is_reversed_once", "remittance_claim",
        ["practice_id", "reverses_remittance_id", "reverses_ordinal"], unique=True,
        postgresql_where=sa.text("reverses_remittance_id IS NOT NULL"),
    )  # fmt: skip


def _create_line() -> None:
    op.create_table(
        "remittance_line",
        *_needed(sa.BigInteger(), *_KEY),
        *_needed(sa.Integer(), "claim_ordinal", "ordinal"),
        *_needed(sa.Text(), "code"),
        *_needed(_JSON, "modifiers"),
        *_needed(sa.Text(), "submitted_code"),
        *_needed(_JSON, "submitted_modifiers"),
        *_needed(sa.BigInteger(), "charge_cents", "paid_cents"),
        *_needed(_JSON, "adjustments", "remarks", "unreadable"),
        *_needed(sa.Text(), "control_number"),
        sa.Column("service_on", sa.Date(), nullable=True),
        sa.Column("line", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint(*_KEY, "claim_ordinal", "ordinal", name="pk_remittance_line"),
    )


def downgrade() -> None:
    for name in ("last_answer_on", *_ANSWER_TEXTS):
        op.drop_column("claim", name)
    for table in ("posting_rule", "provider_adjustment", "remittance_line", "remittance_claim", "remittance"):
        op.drop_table(table)

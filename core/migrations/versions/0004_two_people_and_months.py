"""Add closed months, exclusions, users and last days of holds, late payments, and the audit log's hash chain.

Locks are brief: every new column is empty, and the index of held claims is small. Existing audit entries are chained in
their order. No entry can be written during the migration, so none is left out of the chain.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Each entry's digest covers the digest of the entry before it, so a changed, removed or inserted entry is detected.
DIGEST = """
CREATE FUNCTION audit_digest(previous text, entry audit_entry) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to(jsonb_build_array(
        previous, entry.practice_id, entry.id, extract(epoch FROM entry.at), entry.user_id, entry.act, entry.subject,
        entry.facts
    )::text, 'UTF8')), 'hex')
$$
"""

# Runs at commit and not at the insert, so that a transaction locks the head last and only briefly.
CHAIN = """
CREATE FUNCTION chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_head;
BEGIN
    INSERT INTO audit_head (practice_id, number, digest) VALUES (NEW.practice_id, 0, '') ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT head FROM audit_head WHERE practice_id = NEW.practice_id FOR NO KEY UPDATE;
    head.number := head.number + 1;
    head.digest := audit_digest(head.digest, NEW);
    INSERT INTO audit_link (practice_id, number, entry_id, digest)
        VALUES (NEW.practice_id, head.number, NEW.id, head.digest);
    UPDATE audit_head SET number = head.number, digest = head.digest WHERE practice_id = NEW.practice_id;
    RETURN NULL;
END $$
"""

CHAIN_WHAT_IS_THERE = """
DO $$
DECLARE
    entry audit_entry;
    head audit_head;
BEGIN
    FOR entry IN SELECT * FROM audit_entry ORDER BY practice_id, id LOOP
        IF head.practice_id IS DISTINCT FROM entry.practice_id THEN
            head := ROW(entry.practice_id, 0, '');
        END IF;
        head.number := head.number + 1;
        head.digest := audit_digest(head.digest, entry);
        INSERT INTO audit_link VALUES (entry.practice_id, head.number, entry.id, head.digest);
    END LOOP;
    INSERT INTO audit_head
        SELECT DISTINCT ON (practice_id) practice_id, number, digest FROM audit_link ORDER BY practice_id, number DESC;
END $$
"""


def upgrade() -> None:
    # Wait for transactions that have written entries, and block new ones: an entry written after the existing ones are
    # chained and before the trigger exists would be left out of the chain.
    op.execute("LOCK TABLE audit_entry IN SHARE ROW EXCLUSIVE MODE")
    op.create_table(
        "audit_head",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_audit_head_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "period",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column(
            "state",
            sa.Enum("open", "closed", name="period_state_known", native_enum=False, create_constraint=True, length=60),
            nullable=False,
        ),
        sa.Column("closed_by", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totals", postgresql.JSONB(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("reopened_by", sa.BigInteger(), nullable=True),
        sa.Column("reopened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reopened_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state = 'open' OR (closed_at IS NOT NULL AND totals IS NOT NULL AND digest IS NOT NULL)",
            name=op.f("a_closed_month_keeps_its_totals"),
        ),
        sa.CheckConstraint("extract(day from month) = 1", name=op.f("a_month_is_named_by_its_first_day")),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_period_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "month", name=op.f("pk_period")),
    )
    op.create_table(
        "audit_link",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id", "entry_id"],
            ["audit_entry.practice_id", "audit_entry.id"],
            name=op.f("fk_audit_link_audit_entry_practice_id_entry_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "number", name=op.f("pk_audit_link")),
        sa.UniqueConstraint("practice_id", "entry_id", name="an_entry_is_chained_once"),
    )
    op.create_table(
        "period_act",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open", "closed", name="period_act_state_known", native_enum=False, create_constraint=True, length=60
            ),
            nullable=False,
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("totals", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.CheckConstraint("(state = 'open') = (reason <> '')", name=op.f("a_reopening_says_why")),
        sa.ForeignKeyConstraint(
            ["practice_id", "month"],
            ["period.practice_id", "period.month"],
            name=op.f("fk_period_act_period_practice_id_month"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_period_act")),
    )
    op.create_table(
        "exclusion",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=True),
        sa.Column("payer_id", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(patient_id IS NULL) <> (payer_id IS NULL)", name=op.f("an_exclusion_is_of_a_patient_or_a_payer")
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patient.practice_id", "patient.id"],
            name=op.f("fk_exclusion_patient_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "payer_id"],
            ["payer.practice_id", "payer.id"],
            name=op.f("fk_exclusion_payer_practice_id_payer_id"),
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_exclusion_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_exclusion")),
    )
    op.create_index(
        "one_exclusion_for_each_patient",
        "exclusion",
        ["practice_id", "patient_id"],
        unique=True,
        postgresql_where=sa.text("patient_id IS NOT NULL AND ended_at IS NULL"),
    )
    op.create_index(
        "one_exclusion_for_each_payer",
        "exclusion",
        ["practice_id", "payer_id"],
        unique=True,
        postgresql_where=sa.text("payer_id IS NOT NULL AND ended_at IS NULL"),
    )
    op.add_column("claim", sa.Column("hold_until", sa.Date(), nullable=True))
    op.add_column("claim", sa.Column("hold_by", sa.BigInteger(), nullable=True))
    op.add_column("claim", sa.Column("hold_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("claim", sa.Column("hold_why", sa.Text(), nullable=True))
    op.create_index("ix_claim_on_hold", "claim", ["practice_id", "id"], postgresql_where=sa.text("hold IS NOT NULL"))
    op.create_index("ix_audit_entry_subject", "audit_entry", ["practice_id", "subject"])
    op.create_index("ix_audit_entry_user", "audit_entry", ["practice_id", "user_id"])
    op.add_column("posting", sa.Column("caused_by_id", sa.BigInteger(), nullable=True))
    op.add_column("posting", sa.Column("origin_job_id", sa.BigInteger(), nullable=True))
    op.execute(DIGEST)
    op.execute(CHAIN)
    op.execute(CHAIN_WHAT_IS_THERE)
    op.execute(
        "CREATE CONSTRAINT TRIGGER audit_is_chained AFTER INSERT ON audit_entry "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chain_audit()"
    )
    for table in ("audit_link", "period_act"):
        op.execute(
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_is_chained ON audit_entry")
    for function in ("chain_audit()", "audit_digest(text, audit_entry)"):
        op.execute(f"DROP FUNCTION {function}")
    op.drop_index("ix_audit_entry_user", "audit_entry")
    op.drop_index("ix_audit_entry_subject", "audit_entry")
    op.drop_index("ix_claim_on_hold", "claim")
    op.drop_column("posting", "origin_job_id")
    op.drop_column("posting", "caused_by_id")
    for name in ("hold_why", "hold_at", "hold_by", "hold_until"):
        op.drop_column("claim", name)
    for table in ("audit_link", "audit_head", "exclusion", "period_act", "period"):
        op.drop_table(table)

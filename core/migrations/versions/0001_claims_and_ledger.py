"""Create the tables of the first version: practices, claims, the ledger, jobs, access.

The ledger and the audit log are append-only: a statement trigger refuses changes and deletions.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""
GUARDED = ("posting", "audit_entry")


def upgrade() -> None:
    op.create_table(
        "canary",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stamped_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary")),
    )
    op.create_table(
        "job_failure",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("attempt", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("retried_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "job_id", "position", "attempt", name=op.f("pk_job_failure")),
    )
    op.create_table(
        "job_item",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_version", sa.Integer(), nullable=False),
        sa.Column("billing_status_before", sa.Text(), nullable=False),
        sa.Column("settles_insurance", sa.Boolean(), nullable=False),
        sa.Column("settles_patient", sa.Boolean(), nullable=False),
        sa.Column("insurance_cents", sa.BigInteger(), nullable=False),
        sa.Column("patient_cents", sa.BigInteger(), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "settle",
                "skip",
                name="verdict_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("verdict_code", sa.Text(), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "settled",
                "skipped",
                "failed",
                name="outcome_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("version_after", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(verdict = 'settle') OR (verdict_code IS NOT NULL)",
            name=op.f("a_skip_has_a_code"),
        ),
        sa.CheckConstraint(
            "outcome IS DISTINCT FROM 'settled' OR version_after IS NOT NULL",
            name=op.f("a_settled_item_has_its_new_version"),
        ),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome = 'settled' OR code IS NOT NULL",
            name=op.f("what_is_not_settled_has_a_code"),
        ),
        sa.CheckConstraint(
            "insurance_cents >= 0 AND patient_cents >= 0",
            name=op.f("expected_write_offs_not_negative"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "job_id", "position", name=op.f("pk_job_item")),
        postgresql_with={"fillfactor": 45},
    )
    op.create_index(
        "one_item_for_each_claim_of_a_job",
        "job_item",
        ["practice_id", "claim_id", "job_id"],
        unique=True,
    )
    op.create_table(
        "practice",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column(
            "write_off",
            sa.Enum(
                "patient",
                "insurance",
                "both",
                "neither",
                name="write_off_setting_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("write_off_changed_by", sa.BigInteger(), nullable=True),
        sa.Column("write_off_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recent_payment_days", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("recent_payment_days >= 0", name=op.f("recent_payment_days_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_practice")),
        sa.UniqueConstraint("name", name="practice_name_is_unique"),
    )
    op.create_table(
        "app_user",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "biller",
                "approver",
                "admin",
                "ops",
                name="role_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("email = lower(email)", name=op.f("email_is_lower_case")),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_app_user_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
        sa.UniqueConstraint("email", name="email_is_unique_everywhere"),
    )
    op.create_table(
        "audit_entry",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_audit_entry_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_audit_entry")),
    )
    op.create_index("ix_audit_entry_at", "audit_entry", ["practice_id", "at"], unique=False)
    op.create_table(
        "billing_status",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_billing_status_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "name", name=op.f("pk_billing_status")),
    )
    op.create_table(
        "hint_round",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_hint_round_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", name=op.f("pk_hint_round")),
    )
    op.create_table(
        "office",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_office_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_office")),
        sa.UniqueConstraint("practice_id", "external_id", name="office_id_is_unique"),
    )
    op.create_table(
        "patient",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_patient_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_patient")),
        sa.UniqueConstraint("practice_id", "external_id", name="patient_id_is_unique"),
    )
    op.create_table(
        "payer",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "payer_class",
            sa.Enum(
                "commercial",
                "medicare",
                "medicaid",
                "dual",
                "tricare",
                "workers_comp",
                "auto",
                "self_pay",
                "other",
                name="payer_class_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_payer_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_payer")),
        sa.UniqueConstraint("practice_id", "external_id", name="payer_id_is_unique"),
    )
    op.create_table(
        "provider",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "write_off",
            sa.Enum(
                "patient",
                "insurance",
                "both",
                "neither",
                name="provider_write_off_setting_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
        sa.Column("write_off_changed_by", sa.BigInteger(), nullable=True),
        sa.Column("write_off_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_provider_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_provider")),
        sa.UniqueConstraint("practice_id", "external_id", name="provider_id_is_unique"),
    )
    op.create_table(
        "saved_filter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_saved_filter_practice_practice_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_filter")),
        sa.UniqueConstraint("practice_id", "name", name="saved_filter_name_is_unique"),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_api_token_app_user_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name="token_is_unique"),
    )
    op.create_table(
        "claim",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.BigInteger(), nullable=False),
        sa.Column("office_id", sa.BigInteger(), nullable=False),
        sa.Column("billing_provider_id", sa.BigInteger(), nullable=False),
        sa.Column("supervising_provider_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "claim_type",
            sa.Enum(
                "Professional",
                "Institutional",
                name="claim_type_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("service_date", sa.Date(), nullable=False),
        sa.Column("service_time", sa.Time(), nullable=True),
        sa.Column("billing_status", sa.Text(), nullable=False),
        sa.Column("primary_payer_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "primary_status",
            sa.Enum(
                "none",
                "In Process at Clearinghouse",
                "In Process at Payer",
                "Payer Acknowledged",
                "Coordination of Benefits",
                "Rejected",
                "ERA Received",
                "ERA Denied",
                name="primary_status_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("secondary_payer_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "secondary_status",
            sa.Enum(
                "none",
                "In Process at Clearinghouse",
                "In Process at Payer",
                "Payer Acknowledged",
                "Coordination of Benefits",
                "Rejected",
                "ERA Received",
                "ERA Denied",
                name="secondary_status_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column(
            "hold",
            sa.Enum(
                "hold",
                "legal_hold",
                "appeal_open",
                "payment_plan",
                "excluded",
                name="hold_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
        sa.Column("balance_mismatch", sa.Boolean(), nullable=False),
        sa.Column("billed", sa.BigInteger(), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=True),
        sa.Column("expected", sa.BigInteger(), nullable=True),
        sa.Column("adjustment", sa.BigInteger(), nullable=False),
        sa.Column("primary_paid", sa.BigInteger(), nullable=False),
        sa.Column("secondary_paid", sa.BigInteger(), nullable=False),
        sa.Column("patient_paid", sa.BigInteger(), nullable=False),
        sa.Column("insurance_due", sa.BigInteger(), nullable=False),
        sa.Column("patient_due", sa.BigInteger(), nullable=False),
        sa.Column("has_credit_line", sa.Boolean(), nullable=False),
        sa.Column("last_payment_on", sa.Date(), nullable=True),
        sa.Column("first_edi_on", sa.Date(), nullable=True),
        sa.Column("last_edi_on", sa.Date(), nullable=True),
        sa.CheckConstraint("version >= 1", name=op.f("claim_version_counts_from_one")),
        sa.ForeignKeyConstraint(
            ["practice_id", "billing_provider_id"],
            ["provider.practice_id", "provider.id"],
            name=op.f("fk_claim_provider_practice_id_billing_provider_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "office_id"],
            ["office.practice_id", "office.id"],
            name=op.f("fk_claim_office_practice_id_office_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "patient_id"],
            ["patient.practice_id", "patient.id"],
            name=op.f("fk_claim_patient_practice_id_patient_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "primary_payer_id"],
            ["payer.practice_id", "payer.id"],
            name=op.f("fk_claim_payer_practice_id_primary_payer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "secondary_payer_id"],
            ["payer.practice_id", "payer.id"],
            name=op.f("fk_claim_payer_practice_id_secondary_payer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "supervising_provider_id"],
            ["provider.practice_id", "provider.id"],
            name=op.f("fk_claim_provider_practice_id_supervising_provider_id"),
        ),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_claim_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_claim")),
        sa.UniqueConstraint("practice_id", "external_id", name="claim_id_is_unique_in_its_practice"),
        postgresql_with={"fillfactor": 45},
    )
    op.create_index(
        "ix_claim_open_service_date",
        "claim",
        ["practice_id", "service_date", "id"],
        unique=False,
        postgresql_where=sa.text("billing_status <> 'Settled'"),
    )
    op.create_index(
        "ix_claim_service_date",
        "claim",
        ["practice_id", "service_date", "id"],
        unique=False,
    )
    op.create_table(
        "settle_job",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "settle",
                "status",
                "reverse",
                name="job_kind_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "preparing",
                "previewed",
                "awaiting_approval",
                "confirmed",
                "running",
                "pausing",
                "paused",
                "halted",
                "cancelling",
                "cancelled",
                "completed",
                "discarded",
                "expired",
                "rejected",
                "reported",
                name="job_status_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("target_status", sa.Text(), nullable=False),
        sa.Column("selection", postgresql.JSONB(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "small_balance",
                "bad_debt",
                "timely_filing",
                "charity",
                "courtesy",
                "administrative",
                name="job_reason_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("include", postgresql.JSONB(), nullable=False),
        sa.Column(
            "setting",
            sa.Enum(
                "patient",
                "insurance",
                "both",
                "neither",
                name="job_setting_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("provider_settings", postgresql.JSONB(), nullable=False),
        sa.Column("rule_values", postgresql.JSONB(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("posting_date", sa.Date(), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("previewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claims_expected", sa.Integer(), nullable=True),
        sa.Column("claims_total", sa.Integer(), nullable=True),
        sa.Column("preview", postgresql.JSONB(), nullable=True),
        sa.Column("confirmed_by", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("halted_because", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'settle') = (reason IS NOT NULL)",
            name=op.f("a_settle_job_has_a_reason"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id"],
            ["practice.id"],
            name=op.f("fk_settle_job_practice_practice_id"),
        ),
        sa.ForeignKeyConstraint(
            ["requested_by"],
            ["app_user.id"],
            name=op.f("fk_settle_job_app_user_requested_by"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_settle_job")),
        sa.UniqueConstraint(
            "practice_id",
            "requested_by",
            "idempotency_key",
            name="one_job_for_each_idempotency_key",
        ),
    )
    op.create_index(
        "ix_settle_job_moving",
        "settle_job",
        ["status"],
        unique=False,
        postgresql_where=sa.text("status IN ('preparing', 'confirmed', 'running', 'pausing', 'cancelling')"),
    )
    op.create_table(
        "user_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name=op.f("fk_user_session_app_user_user_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_user_session")),
    )
    op.create_table(
        "job_chunk",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("first_position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_position", sa.BigInteger(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "open",
                "done",
                name="chunk_state_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("busy_tries", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken_by", sa.Text(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled", sa.Integer(), nullable=False),
        sa.Column("skipped", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("insurance_cents", sa.BigInteger(), nullable=False),
        sa.Column("patient_cents", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state = 'open' OR settled + skipped + failed = last_position - first_position + 1",
            name=op.f("a_done_chunk_has_an_outcome_for_every_item"),
        ),
        sa.CheckConstraint("first_position <= last_position", name=op.f("chunk_is_not_empty")),
        sa.ForeignKeyConstraint(
            ["practice_id", "job_id"],
            ["settle_job.practice_id", "settle_job.id"],
            name=op.f("fk_job_chunk_settle_job_practice_id_job_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "job_id", "first_position", name=op.f("pk_job_chunk")),
    )
    op.create_index(
        "ix_job_chunk_open",
        "job_chunk",
        ["practice_id", "job_id", "first_position"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "line_item",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("procedure_code", sa.Text(), nullable=False),
        sa.Column("charge", sa.BigInteger(), nullable=False),
        sa.Column("insurance_due", sa.BigInteger(), nullable=False),
        sa.Column("patient_due", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("number >= 1", name=op.f("lines_count_from_one")),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id"],
            ["claim.practice_id", "claim.id"],
            name=op.f("fk_line_item_claim_practice_id_claim_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "claim_id", "number", name=op.f("pk_line_item")),
        postgresql_with={"fillfactor": 45},
    )
    op.create_table(
        "posting",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("claim_id", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "responsibility",
            sa.Enum(
                "insurance",
                "patient",
                name="responsibility_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column(
            "kind",
            sa.Enum(
                "charge",
                "payment",
                "adjustment",
                "transfer",
                "write_off",
                "reversal",
                name="posting_kind_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column(
            "paid_by",
            sa.Enum(
                "primary",
                "secondary",
                "patient",
                name="paid_by_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
        sa.Column(
            "group_code",
            sa.Enum(
                "CO",
                "PR",
                "OA",
                "PI",
                name="group_code_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
        sa.Column("reason_code", sa.Text(), nullable=True),
        sa.Column(
            "write_off_reason",
            sa.Enum(
                "small_balance",
                "bad_debt",
                "timely_filing",
                "charity",
                "courtesy",
                "administrative",
                name="write_off_reason_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("claim_version", sa.Integer(), nullable=True),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(kind = 'payment') = (paid_by IS NOT NULL) OR kind = 'reversal'",
            name=op.f("payment_says_who_paid"),
        ),
        sa.CheckConstraint(
            "(kind = 'reversal') = (reverses_id IS NOT NULL)",
            name=op.f("reversal_names_its_original"),
        ),
        sa.CheckConstraint("kind <> 'charge' OR amount_cents > 0", name=op.f("charge_raises_the_due")),
        sa.CheckConstraint(
            "kind <> 'write_off' OR (write_off_reason IS NOT NULL AND claim_version IS NOT NULL AND amount_cents < 0)",
            name=op.f("write_off_has_reason_and_version_and_lowers_the_due"),
        ),
        sa.CheckConstraint(
            "kind = 'adjustment' OR (group_code IS NULL AND reason_code IS NULL)",
            name=op.f("only_adjustments_carry_carc"),
        ),
        sa.CheckConstraint("amount_cents <> 0", name=op.f("posting_amount_not_zero")),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id", "line", "reverses_id"],
            ["posting.practice_id", "posting.claim_id", "posting.line", "posting.id"],
            name="reversal_is_on_the_line_of_its_original",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "claim_id", "line"],
            ["line_item.practice_id", "line_item.claim_id", "line_item.number"],
            name="posting_is_on_a_line",
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "job_id"],
            ["settle_job.practice_id", "settle_job.id"],
            name="posting_names_a_job",
        ),
        sa.PrimaryKeyConstraint("practice_id", "claim_id", "line", "id", name=op.f("pk_posting")),
    )
    op.create_index(
        "one_posting_for_each_source_id",
        "posting",
        ["practice_id", "source", "source_id"],
        unique=True,
        postgresql_where=sa.text("source IS NOT NULL"),
    )
    op.create_index(
        "one_reversal_for_each_posting",
        "posting",
        ["practice_id", "reverses_id"],
        unique=True,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.create_index(
        "one_write_off_for_each_line_responsibility_and_version",
        "posting",
        ["practice_id", "claim_id", "line", "responsibility", "claim_version"],
        unique=True,
        postgresql_where=sa.text("kind = 'write_off'"),
    )

    op.execute(APPEND_ONLY)
    for table in GUARDED:
        op.execute(
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing below it")

"""Add schedules and their runs, limits and approvals, and the tables for operations.

Locks are brief: columns have constant defaults (no rewrite), and constraints are checked only on small tables.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "watch_process",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("says", postgresql.JSONB(), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_watch_process")),
    )
    op.create_table(
        "watch_tally",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "label", name=op.f("pk_watch_tally")),
    )
    op.create_table(
        "schedule",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("filter", postgresql.JSONB(), nullable=False),
        sa.Column("local_time", sa.Time(), nullable=False),
        sa.Column("weekdays", postgresql.JSONB(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "small_balance",
                "bad_debt",
                "timely_filing",
                "charity",
                "courtesy",
                "administrative",
                name="schedule_reason_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("claims_max", sa.BigInteger(), nullable=False),
        sa.Column("cents_max", sa.BigInteger(), nullable=False),
        sa.Column(
            "mode",
            sa.Enum(
                "report", "settle", name="schedule_mode_known", native_enum=False, create_constraint=True, length=60
            ),
            nullable=False,
        ),
        sa.Column("late_minutes", sa.Integer(), nullable=False),
        sa.Column("mail_to", postgresql.JSONB(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "active",
                "paused",
                "stopped",
                name="schedule_state_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("stopped_because", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("counts_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'stopped') = (stopped_because IS NOT NULL)", name=op.f("a_stop_has_a_reason")),
        sa.CheckConstraint("claims_max >= 1 AND cents_max >= 1", name=op.f("caps_let_something_through")),
        sa.CheckConstraint("late_minutes BETWEEN 1 AND 1380", name=op.f("one_night_is_late_before_the_next_is_due")),
        sa.ForeignKeyConstraint(["owner_id"], ["app_user.id"], name=op.f("fk_schedule_app_user_owner_id")),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name=op.f("fk_schedule_practice_practice_id")),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_schedule")),
    )
    op.create_index(
        "schedule_name_is_unique",
        "schedule",
        ["practice_id", "name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "schedule_run",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("schedule_id", sa.BigInteger(), nullable=False),
        sa.Column("local_date", sa.Date(), nullable=True),
        sa.Column("run_key", sa.Text(), nullable=True),
        sa.Column("asked_by", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "mode",
            sa.Enum("report", "settle", name="run_mode_known", native_enum=False, create_constraint=True, length=60),
            nullable=False,
        ),
        sa.Column("asked", postgresql.JSONB(), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "job",
                "nothing",
                "missed",
                "stopped",
                "failed",
                name="run_outcome_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("because", sa.Text(), nullable=True),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "mail_state",
            sa.Enum(
                "none",
                "due",
                "sending",
                "sent",
                "given_up",
                name="mail_state_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=False,
        ),
        sa.Column("mail_left", postgresql.JSONB(), nullable=False),
        sa.Column("mail_again", sa.Boolean(), nullable=False),
        sa.Column("mail_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mail_tries", sa.Integer(), nullable=False),
        sa.Column("mail_not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mail_sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(outcome = 'job') = (job_id IS NOT NULL)", name=op.f("a_run_with_a_job_names_it")),
        sa.CheckConstraint("(local_date IS NULL) <> (run_key IS NULL)", name=op.f("a_run_is_a_night_or_was_asked_for")),
        sa.ForeignKeyConstraint(
            ["practice_id", "job_id"],
            ["settle_job.practice_id", "settle_job.id"],
            name=op.f("fk_schedule_run_settle_job_practice_id_job_id"),
        ),
        sa.ForeignKeyConstraint(
            ["practice_id", "schedule_id"],
            ["schedule.practice_id", "schedule.id"],
            name=op.f("fk_schedule_run_schedule_practice_id_schedule_id"),
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name=op.f("pk_schedule_run")),
        sa.UniqueConstraint("practice_id", "schedule_id", "local_date", name="one_run_for_each_night"),
        sa.UniqueConstraint("practice_id", "schedule_id", "run_key", name="one_run_for_each_key"),
    )
    op.create_index(
        "ix_schedule_run_mail",
        "schedule_run",
        ["mail_not_before"],
        unique=False,
        postgresql_where=sa.text("mail_again OR mail_state IN ('none', 'due', 'sending')"),
    )
    op.add_column(
        "app_user",
        sa.Column("claim_limit_cents", sa.BigInteger(), server_default="9223372036854775807", nullable=False),
    )
    op.add_column(
        "app_user", sa.Column("job_limit_cents", sa.BigInteger(), server_default="9223372036854775807", nullable=False)
    )
    op.add_column(
        "practice",
        sa.Column("claim_limit_cents", sa.BigInteger(), server_default="9223372036854775807", nullable=False),
    )
    op.add_column(
        "practice", sa.Column("job_limit_cents", sa.BigInteger(), server_default="9223372036854775807", nullable=False)
    )
    op.add_column("settle_job", sa.Column("schedule_id", sa.BigInteger(), nullable=True))
    op.add_column("settle_job", sa.Column("schedule_made_by", sa.BigInteger(), nullable=True))
    op.add_column("settle_job", sa.Column("night", sa.Date(), nullable=True))
    op.add_column(
        "settle_job",
        sa.Column(
            "after_preview",
            sa.Enum(
                "ask",
                "report",
                "confirm",
                name="after_preview_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            server_default="ask",
            nullable=False,
        ),
    )
    op.add_column(
        "settle_job",
        sa.Column(
            "discarded_because",
            sa.Enum(
                "owner_left",
                "owner_may_not",
                "asker_may_not",
                "period_closed",
                name="discarded_because_known",
                native_enum=False,
                create_constraint=True,
                length=60,
            ),
            nullable=True,
        ),
    )
    op.add_column("settle_job", sa.Column("limits", postgresql.JSONB(), server_default="{}", nullable=False))
    op.add_column("settle_job", sa.Column("over", postgresql.JSONB(), server_default="[]", nullable=False))
    op.add_column("settle_job", sa.Column("approval_asked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("settle_job", sa.Column("decided_by", sa.BigInteger(), nullable=True))
    op.add_column("settle_job", sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("settle_job", sa.Column("decision_note", sa.Text(), server_default="", nullable=False))
    op.add_column("settle_job", sa.Column("cost_share_reason", sa.Text(), server_default="", nullable=False))
    op.create_foreign_key(
        "a_job_names_its_schedule", "settle_job", "schedule", ["practice_id", "schedule_id"], ["practice_id", "id"]
    )
    op.create_check_constraint(
        op.f("only_a_schedule_goes_on_without_being_asked"),
        "settle_job",
        "(after_preview = 'ask') = (schedule_id IS NULL)",
    )
    op.create_check_constraint(
        op.f("a_schedules_job_names_who_made_the_schedule"),
        "settle_job",
        "(schedule_id IS NULL) = (schedule_made_by IS NULL)",
    )
    op.create_check_constraint(
        op.f("only_a_schedule_has_nights"), "settle_job", "night IS NULL OR schedule_id IS NOT NULL"
    )
    op.create_check_constraint(
        op.f("nobody_decides_on_a_job_of_their_own"),
        "settle_job",
        "decided_by IS NULL OR (decided_by <> requested_by AND decided_by IS DISTINCT FROM confirmed_by "
        "AND decided_by IS DISTINCT FROM schedule_made_by)",
    )
    op.create_check_constraint(
        op.f("a_job_over_a_limit_runs_only_approved"),
        "settle_job",
        "over = '[]' OR confirmed_at IS NULL OR decided_by IS NOT NULL",
    )
    for table, name in (("practice", "practice_limits_not_negative"), ("app_user", "user_limits_not_negative")):
        op.create_check_constraint(op.f(name), table, "claim_limit_cents >= 0 AND job_limit_cents >= 0")
    op.create_index("ix_claim_mismatch", "claim", ["practice_id", "id"], postgresql_where=sa.text("balance_mismatch"))


def downgrade() -> None:
    op.drop_index("ix_claim_mismatch", "claim")
    for name in (
        "cost_share_reason", "decision_note", "decided_at", "decided_by", "approval_asked_at", "over", "limits",
        "discarded_because", "after_preview", "night",
        "schedule_made_by", "schedule_id",
    ):  # fmt: skip
        op.drop_column("settle_job", name)
    for table in ("practice", "app_user"):
        op.drop_column(table, "job_limit_cents")
        op.drop_column(table, "claim_limit_cents")
    for table in ("schedule_run", "schedule", "watch_tally", "watch_process"):
        op.drop_table(table)

"""Add events, notices, webhooks and the outbox, and move the e-mail of run reports into the outbox.

Processes of the previous version do not use the new tables. They keep their columns of `schedule_run`, with defaults,
until a later migration drops them. What they have not sent yet moves to the outbox. A trigger moves the reports of the
runs that they still record, so that no report is sent by both versions.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_EVENT_KINDS = (
    "job.approval_requested", "job.confirmed", "job.completed", "job.halted", "job.cancelled", "job.rejected",
    "job.expired", "job.discarded", "job.reversed", "postings.written", "postings.entered",
    "postings.imported", "job.preview_expires_soon", "job.approval_expires_soon", "webhook.failed", "webhook.test",
    "import.needs_user", "review.ready", "audit.last_entry", "posting.approval_requested", "posting.approved",
    "posting.rejected",
)  # fmt: skip
_NOTICE_KINDS = (
    "job_ended", "job_halted", "job_expires", "approval_needed", "webhook_failed", "import_needs_user", "weekly_review",
)  # fmt: skip
_STATES = ("waiting", "due", "sending", "sent", "given_up")
_AT = sa.DateTime(timezone=True)
_JSON = postgresql.JSONB(astext_type=sa.Text())

# The columns of `schedule_run` that only the previous version uses.
UNUSED = (
    "mail_state", "mail_pending_to", "mail_followup", "mail_queued_at", "mail_tries", "mail_not_before", "mail_sent_at",
)  # fmt: skip
UNUSED_INDEX = "ix_schedule_run_mail_pending"
UNUSED_CHECK = "mail_state_known"
# A run of this version leaves them out. Of two names, the old one gets the default: the new one is then its copy.
_DEFAULTS = {"mail_state": "'none'", "mail_tries": "0", "mail_left": "'[]'", "mail_again": "false"}

# A report that waits for its job, or that was not sent yet.
_MOVED = """
    INSERT INTO outbox (practice_id, run_id, is_followup, state, pending_to, queued_at, not_before, tries, sent_at)
    SELECT practice_id, id, is_followup, state, addresses, coalesce(mail_queued_at, created_at), mail_not_before,
        tries, sent_at
    FROM ({runs}) run CROSS JOIN LATERAL (
        SELECT false, CASE mail_state WHEN 'none' THEN 'waiting' WHEN 'sent' THEN 'sent' ELSE 'due' END,
            CASE WHEN mail_state = 'sent' THEN '[]'::jsonb ELSE mail_pending_to END, mail_tries, mail_sent_at
        UNION ALL
        SELECT true, 'waiting', schedule_snapshot -> 'mail_to', 0, NULL WHERE mail_followup AND mail_state = 'sent'
    ) report (is_followup, state, addresses, tries, sent_at)
"""
_PENDING = "mail_not_before IS NOT NULL AND (mail_followup OR mail_state IN ('none', 'due', 'sending'))"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _create_tables()
    for name, default in _DEFAULTS.items():
        op.alter_column("schedule_run", name, server_default=sa.text(default))
    op.execute("LOCK TABLE schedule_run IN SHARE ROW EXCLUSIVE MODE")
    op.execute(_MOVED.format(runs=f"SELECT * FROM schedule_run WHERE {_PENDING}"))  # noqa: S608 – constants
    op.execute(f"UPDATE schedule_run SET mail_not_before = NULL WHERE {_PENDING}")  # noqa: S608 – constants
    op.execute(
        "CREATE FUNCTION run_mail_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608 – constants
        f"{_MOVED.format(runs='SELECT NEW.*')}; "
        "UPDATE schedule_run SET mail_not_before = NULL WHERE practice_id = NEW.practice_id AND id = NEW.id; "
        "RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER run_mail_to_outbox AFTER INSERT ON schedule_run FOR EACH ROW "
        "WHEN (NEW.mail_not_before IS NOT NULL) EXECUTE FUNCTION run_mail_to_outbox()"
    )


def _create_tables() -> None:
    op.create_table(
        "event",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", _enum(_EVENT_KINDS, "event_kind_known"), nullable=False),
        sa.Column("at", _AT, nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("facts", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_event_practice_practice_id"),
        sa.ForeignKeyConstraint(
            ["practice_id", "job_id"], ["settle_job.practice_id", "settle_job.id"],
            name="fk_event_settle_job_practice_id_job_id",
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_event"),
    )  # fmt: skip
    deadlines = "kind IN ('job.preview_expires_soon', 'job.approval_expires_soon')"
    op.create_index(
        "one_warning_for_each_deadline", "event", ["practice_id", "job_id", "kind"], unique=True,
        postgresql_where=sa.text(deadlines),
    )  # fmt: skip
    op.create_index(
        "one_regular_event_for_each_time", "event", ["practice_id", "kind", "at"], unique=True,
        postgresql_where=sa.text("kind IN ('review.ready', 'audit.last_entry')"),
    )  # fmt: skip
    op.create_index("ix_event_job", "event", ["practice_id", "job_id"])
    op.create_index("ix_event_at", "event", ["at"])
    op.create_table(
        "notice",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum(_NOTICE_KINDS, "notice_kind_known"), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("read_at", _AT, nullable=True),
        sa.ForeignKeyConstraint(
            ["practice_id", "event_id"], ["event.practice_id", "event.id"], name="fk_notice_event_practice_id_event_id"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_notice_app_user_user_id"),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_notice"),
        sa.UniqueConstraint("practice_id", "event_id", "user_id", name="one_notice_for_each_user_and_event"),
    )
    unread = sa.text("read_at IS NULL")
    op.create_index("ix_notice_user", "notice", ["practice_id", "user_id", "id"])
    op.create_index("ix_notice_unread", "notice", ["practice_id", "user_id", "id"], postgresql_where=unread)
    op.create_index("ix_notice_open_of_job", "notice", ["practice_id", "job_id"], postgresql_where=unread)
    op.create_index("ix_notice_read", "notice", ["read_at"], postgresql_where=sa.text("read_at IS NOT NULL"))
    op.create_table(
        "mail_opt_out",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum(_NOTICE_KINDS, "mail_opt_out_kind_known"), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_mail_opt_out_app_user_user_id"),
        sa.PrimaryKeyConstraint("user_id", "kind", name="pk_mail_opt_out"),
    )
    _create_webhooks()
    _create_outbox()


def _create_webhooks() -> None:
    op.create_table(
        "webhook",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("kinds", _JSON, nullable=False),
        sa.Column("active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("request_key", sa.Text(), nullable=True),
        sa.Column("request_hash", sa.Text(), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("secret_created_at", _AT, nullable=False),
        sa.Column("old_secret", sa.Text(), nullable=True),
        sa.Column("old_secret_until", _AT, nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", _AT, nullable=False),
        sa.Column("deleted_at", _AT, nullable=True),
        sa.Column("not_before", _AT, nullable=True),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", _AT, nullable=True),
        sa.CheckConstraint("(old_secret IS NULL) = (old_secret_until IS NULL)", name="an_old_secret_ends"),
        sa.ForeignKeyConstraint(["practice_id"], ["practice.id"], name="fk_webhook_practice_practice_id"),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_webhook"),
        sa.UniqueConstraint("practice_id", "request_key", name="one_webhook_for_each_request"),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("practice_id", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("is_followup", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("state", _enum(_STATES, "outbox_state_known"), nullable=False),
        sa.Column("pending_to", _JSON, server_default="[]", nullable=False),
        sa.Column("queued_at", _AT, nullable=False),
        sa.Column("not_before", _AT, nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_result", sa.Text(), nullable=True),
        sa.Column("sent_at", _AT, nullable=True),
        sa.CheckConstraint("num_nonnulls(notice_id, run_id, webhook_id) = 1", name="a_message_has_one_subject"),
        sa.CheckConstraint("(webhook_id IS NULL) = (event_id IS NULL)", name="a_webhook_gets_an_event"),
        *(
            sa.ForeignKeyConstraint(
                ["practice_id", f"{name}_id"], [f"{table}.practice_id", f"{table}.id"],
                name=f"fk_outbox_{table}_practice_id_{name}_id",
            )
            for name, table in (("notice", "notice"), ("run", "schedule_run"), ("webhook", "webhook"), ("event", "event"))
        ),
        sa.PrimaryKeyConstraint("practice_id", "id", name="pk_outbox"),
        sa.UniqueConstraint("practice_id", "notice_id", name="one_mail_for_each_notice"),
        sa.UniqueConstraint("practice_id", "run_id", "is_followup", name="one_report_and_one_followup_for_each_run"),
        sa.UniqueConstraint("practice_id", "webhook_id", "event_id", name="one_delivery_for_each_webhook_and_event"),
    )  # fmt: skip
    op.create_index(
        "ix_outbox_unsent", "outbox", ["not_before"], postgresql_where=sa.text("state IN ('due', 'sending')")
    )
    op.create_index(
        "ix_outbox_ended", "outbox", ["queued_at"],
        postgresql_where=sa.text("state IN ('sent', 'given_up', 'waiting')"),
    )  # fmt: skip
    op.create_index(
        "ix_outbox_event", "outbox", ["practice_id", "event_id"], postgresql_where=sa.text("event_id IS NOT NULL")
    )
    op.create_index(
        "ix_outbox_waiting", "outbox", ["practice_id", "run_id"], postgresql_where=sa.text("state = 'waiting'")
    )


def _enum(values: tuple[str, ...], name: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=60)


def downgrade() -> None:
    op.execute("DROP TRIGGER run_mail_to_outbox ON schedule_run")
    op.execute("DROP FUNCTION run_mail_to_outbox()")
    for name in _DEFAULTS:
        op.alter_column("schedule_run", name, server_default=None)
    for table in ("outbox", "webhook", "mail_opt_out", "notice", "event"):
        op.drop_table(table)

"""Settle jobs, and the sweep's rounds of hints."""

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, OfPractice, Str, Timestamp, UserId, enum_column
from core.enums.jobs import OPEN_STATUSES, DiscardedBecause, JobKind, JobStatus, NextStep
from core.enums.ledger import REASON_NAMES, WriteOffReason
from core.enums.practices import WriteOffSetting


class SettleJob(Base):
    """One job: previewed, confirmed, run. The preview freezes what it will do."""

    __table_args__ = (
        UniqueConstraint(
            "practice_id",
            "requested_by",
            "idempotency_key",
            name="one_job_for_each_idempotency_key",
        ),
        CheckConstraint("(kind = 'settle') = (reason IS NOT NULL)", name="a_settle_job_has_a_reason"),
        CheckConstraint("(kind = 'reverse') = (reverses_job_id IS NOT NULL)", name="a_reverse_job_names_its_original"),
        ForeignKeyConstraint(
            ["practice_id", "reverses_job_id"],
            ["settle_job.practice_id", "settle_job.id"],
            name="a_reversed_job_is_a_job",
        ),
        ForeignKeyConstraint(
            ["practice_id", "schedule_id"], ["schedule.practice_id", "schedule.id"], name="a_job_names_its_schedule"
        ),
        CheckConstraint(
            "(schedule_id IS NULL) = (schedule_created_by IS NULL)",
            name="a_scheduled_job_names_the_creator_of_its_schedule",
        ),
        CheckConstraint("(next_step = 'ask') = (schedule_id IS NULL)", name="only_a_schedule_proceeds_without_a_user"),
        CheckConstraint("run_date IS NULL OR schedule_id IS NOT NULL", name="only_a_schedule_has_run_dates"),
        CheckConstraint(
            "decided_by IS NULL OR (decided_by <> requested_by AND decided_by IS DISTINCT FROM confirmed_by "
            "AND decided_by IS DISTINCT FROM schedule_created_by)",
            name="a_requester_does_not_decide_on_the_job",
        ),
        CheckConstraint(
            "limits_exceeded = '[]' OR confirmed_at IS NULL OR decided_by IS NOT NULL "
            "OR without_approval_chosen_by IS NOT NULL",
            name="a_job_that_exceeds_a_limit_runs_only_approved",
        ),
        CheckConstraint(
            "num_nulls(without_approval_chosen_by, without_approval_chosen_at) = 2 OR "
            "(num_nulls(without_approval_chosen_by, without_approval_chosen_at) = 0 AND decided_by IS NULL "
            "AND schedule_id IS NULL AND confirmed_at IS NOT NULL "
            "AND confirmed_at - without_approval_chosen_at >= interval '24 hours')",
            name="a_job_without_approval_names_the_choice",
        ),
        Index(
            "ix_settle_job_moving",
            "status",
            postgresql_where=text("status IN ('preparing', 'confirmed', 'running', 'pausing', 'cancelling')"),
        ),
    )

    practice_id: Mapped[OfPractice]
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[JobKind] = mapped_column(enum_column(JobKind, "job_kind_known"))
    status: Mapped[JobStatus] = mapped_column(enum_column(JobStatus, "job_status_known"))
    target_status: Mapped[Str]
    name: Mapped[Str] = mapped_column(default="", server_default="")  # a label: `core.jobs.naming`

    # {"claim_ids": [...]}, {"claim_numbers": [...]}, {"filter": {...}, "excluded_claim_ids": [...]} or {"all": true, …}
    # Once the items are frozen, a list of ids is replaced by its length.
    selection: Mapped[dict[str, Any]]
    reason: Mapped[WriteOffReason | None] = mapped_column(enum_column(WriteOffReason, "job_reason_known"))
    # frozen: code, name, adjustment_code and gl_account of the practice's reason; {} for jobs of earlier versions
    practice_reason: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    note: Mapped[Str] = mapped_column(default="")
    overridden_rules: Mapped[list[str]]  # codes
    setting: Mapped[WriteOffSetting] = mapped_column(enum_column(WriteOffSetting, "job_setting_known"))  # frozen
    provider_settings: Mapped[dict[str, Any]]  # frozen overrides by provider id
    rule_values: Mapped[dict[str, Any]]  # frozen values that rules compare with, such as recent_payment_days
    as_of: Mapped[dt.date]  # the practice's date at the preview
    posting_date: Mapped[dt.date]

    requested_by: Mapped[UserId]
    requested_at: Mapped[Timestamp]
    idempotency_key: Mapped[Str]
    request_hash: Mapped[Str]  # of the request, so that one key cannot stand for two requests
    previewed_at: Mapped[dt.datetime | None]
    claims_expected: Mapped[int | None]  # the feed's count, shown while the job is preparing
    claims_total: Mapped[int | None]  # frozen items
    items_sha256: Mapped[str | None]  # of the frozen items; None for jobs of earlier versions
    preview: Mapped[dict[str, Any] | None]  # frozen totals: `core.jobs.preview.totals.PreviewTotals`
    confirmed_by: Mapped[int | None] = mapped_column(BigInteger)  # for a scheduled run, its owner from the start
    confirmed_at: Mapped[dt.datetime | None]
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    halted_because: Mapped[str | None]  # a code
    # counted when the job was last resumed after a halt:
    budget_baseline_done: Mapped[int] = mapped_column(default=0)
    budget_baseline_failed: Mapped[int] = mapped_column(default=0)  # the failure budget counts from there
    reverses_job_id: Mapped[int | None] = mapped_column(BigInteger)

    schedule_id: Mapped[int | None] = mapped_column(BigInteger)  # the schedule of this run, or of "run now"
    schedule_created_by: Mapped[int | None] = mapped_column(BigInteger)
    run_date: Mapped[dt.date | None]  # of a scheduled run, in the practice's time zone; None for a user's job
    next_step: Mapped[NextStep] = mapped_column(enum_column(NextStep, "next_step_known"), default=NextStep.ASK)
    discarded_because: Mapped[DiscardedBecause | None] = mapped_column(
        enum_column(DiscardedBecause, "discarded_because_known")
    )
    limits: Mapped[dict[str, Any]] = mapped_column(
        default=dict, server_default="{}"
    )  # frozen: `core.jobs.approval.limits`
    limits_exceeded: Mapped[list[Any]] = mapped_column(JSONB, default=list)
    approval_requested_at: Mapped[dt.datetime | None]
    # who approved, rejected or discarded it; never a requester
    decided_by: Mapped[int | None] = mapped_column(BigInteger)
    decided_at: Mapped[dt.datetime | None]
    decision_note: Mapped[Str] = mapped_column(default="", server_default="")
    # who chose, and when, that one person works here, if the job exceeds a limit and ran without approval
    without_approval_chosen_by: Mapped[int | None] = mapped_column(BigInteger)
    without_approval_chosen_at: Mapped[dt.datetime | None]
    cost_share_reason: Mapped[Str] = mapped_column(
        default="", server_default=""
    )  # given by a user: `core.jobs.preview.cost_share`

    @property
    def reason_name(self) -> str | None:
        """Return the reason's name at the preview, or None if the job has no reason."""
        return self.practice_reason.get("name") or (REASON_NAMES[self.reason] if self.reason else None)

    @property
    def reason_code(self) -> str | None:
        """Return the code of the practice's reason, or None if the job has no reason."""
        return self.practice_reason.get("code") or self.reason


def is_open() -> ColumnElement[bool]:
    """Return, as SQL, whether a job was confirmed or waits for approval, and has not ended."""
    return SettleJob.status.in_(OPEN_STATUSES)


class HintRound(Base):
    """When the sweep last hinted for a practice: at most one round in ten seconds."""

    practice_id: Mapped[OfPractice]
    hinted_at: Mapped[Timestamp]

"""A settle job, its chunks and its items. Counters live on chunks and nowhere else."""

import datetime as dt
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Identity,
    Index,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import ROOM_FOR_UPDATES, At, Base, Big, Cents, PracticeId, Str, one_of
from core.ledger.models import WriteOffReason
from core.practices.models import WriteOffSetting


class JobKind(StrEnum):
    """What a job does to its claims."""

    SETTLE = "settle"  # status and money
    STATUS = "status"  # status alone
    REVERSE = "reverse"


class JobStatus(StrEnum):
    """Where a job is in its life; `core.jobs.lifecycle` has the edges."""

    PREPARING = "preparing"
    PREVIEWED = "previewed"
    AWAITING_APPROVAL = "awaiting_approval"
    CONFIRMED = "confirmed"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    HALTED = "halted"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPORTED = "reported"


class ChunkState(StrEnum):
    """Whether a chunk still has claims to do."""

    OPEN = "open"
    DONE = "done"


class Verdict(StrEnum):
    """What the preview says of a claim."""

    SETTLE = "settle"
    SKIP = "skip"


class Outcome(StrEnum):
    """What became of a claim in its job."""

    SETTLED = "settled"
    SKIPPED = "skipped"
    FAILED = "failed"


class AfterPreview(StrEnum):
    """What happens once the items are frozen."""

    ASK = "ask"  # somebody reads it and types CONFIRM
    REPORT = "report"  # a schedule that only reports
    CONFIRM = "confirm"  # a schedule that settles


class DiscardedBecause(StrEnum):
    """Why a night's job was discarded by itself: what came between while it was prepared."""

    OWNER_LEFT = "owner_left"
    OWNER_MAY_NOT = "owner_may_not"
    ASKER_MAY_NOT = "asker_may_not"  # who pressed "run now"
    PERIOD_CLOSED = "period_closed"


class SettleJob(Base):
    """One confirmed request: previewed, confirmed, run. What it will do is frozen when it is previewed."""

    __tablename__ = "settle_job"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id"], ["practice.id"]),
        ForeignKeyConstraint(["requested_by"], ["app_user.id"]),
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
            "(schedule_id IS NULL) = (schedule_made_by IS NULL)", name="a_schedules_job_names_who_made_the_schedule"
        ),
        CheckConstraint(
            "(after_preview = 'ask') = (schedule_id IS NULL)", name="only_a_schedule_goes_on_without_being_asked"
        ),
        CheckConstraint("night IS NULL OR schedule_id IS NOT NULL", name="only_a_schedule_has_nights"),
        CheckConstraint(
            "decided_by IS NULL OR (decided_by <> requested_by AND decided_by IS DISTINCT FROM confirmed_by "
            "AND decided_by IS DISTINCT FROM schedule_made_by)",
            name="nobody_decides_on_a_job_of_their_own",
        ),
        CheckConstraint(
            "over = '[]' OR confirmed_at IS NULL OR decided_by IS NOT NULL",
            name="a_job_over_a_limit_runs_only_approved",
        ),
        Index(
            "ix_settle_job_moving",
            "status",
            postgresql_where=text("status IN ('preparing', 'confirmed', 'running', 'pausing', 'cancelling')"),
        ),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    kind: Mapped[JobKind] = mapped_column(one_of(JobKind, "job_kind_known"))
    status: Mapped[JobStatus] = mapped_column(one_of(JobStatus, "job_status_known"))
    target_status: Mapped[Str]

    selection: Mapped[
        dict[str, Any]
    ]  # {"claim_ids": [...]}, {"filter": {...}, "excluded_claim_ids": [...]} or {"all": true, …}
    reason: Mapped[WriteOffReason | None] = mapped_column(one_of(WriteOffReason, "job_reason_known"))
    note: Mapped[Str] = mapped_column(default="")
    include: Mapped[list[str]]  # codes of rules that this job overrides
    setting: Mapped[WriteOffSetting] = mapped_column(one_of(WriteOffSetting, "job_setting_known"))  # frozen
    provider_settings: Mapped[dict[str, Any]]  # frozen overrides by provider id
    rule_values: Mapped[dict[str, Any]]  # frozen values that rules compare with, such as recent_payment_days
    as_of: Mapped[dt.date]  # today in the practice's zone when it was previewed
    posting_date: Mapped[dt.date]

    requested_by: Mapped[Big]
    requested_at: Mapped[At]
    idempotency_key: Mapped[Str]
    request_hash: Mapped[Str]  # of what was asked, so that one key cannot mean two requests
    previewed_at: Mapped[dt.datetime | None]
    claims_expected: Mapped[int | None]  # the feed's count, shown while preparing
    claims_total: Mapped[int | None]  # frozen items
    preview: Mapped[dict[str, Any] | None]  # frozen totals: `core.jobs.totals.PreviewTotals`
    confirmed_by: Mapped[int | None] = mapped_column(BigInteger)  # of a schedule's job its owner, from the start
    confirmed_at: Mapped[dt.datetime | None]
    started_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    halted_because: Mapped[str | None]  # a code
    forgiven_done: Mapped[int] = mapped_column(default=0, server_default="0")  # when somebody last resumed it after
    forgiven_failed: Mapped[int] = mapped_column(default=0, server_default="0")  # a halt: the budget counts from there
    reverses_job_id: Mapped[int | None] = mapped_column(BigInteger)

    schedule_id: Mapped[int | None] = mapped_column(BigInteger)  # whose night, or "run now", made it
    schedule_made_by: Mapped[int | None] = mapped_column(BigInteger)
    night: Mapped[dt.date | None]  # of a schedule, by local date; None: a person asked for it
    after_preview: Mapped[AfterPreview] = mapped_column(
        one_of(AfterPreview, "after_preview_known"), default=AfterPreview.ASK, server_default=AfterPreview.ASK.value
    )
    discarded_because: Mapped[DiscardedBecause | None] = mapped_column(
        one_of(DiscardedBecause, "discarded_because_known")
    )
    limits: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")  # frozen: `core.jobs.limits`
    over: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default="[]")  # what is over which limit
    approval_asked_at: Mapped[dt.datetime | None]
    decided_by: Mapped[int | None] = mapped_column(BigInteger)  # who approved, rejected or gave it up, never who asked
    decided_at: Mapped[dt.datetime | None]
    decision_note: Mapped[Str] = mapped_column(default="", server_default="")
    cost_share_reason: Mapped[Str] = mapped_column(
        default="", server_default=""
    )  # as a person gave it: `core.jobs.cost_share`


class JobChunk(Base):
    """The items from `first_position` to `last_position`: they commit together, and its row lock is the lease."""

    __tablename__ = "job_chunk"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "job_id"], ["settle_job.practice_id", "settle_job.id"]),
        CheckConstraint("first_position <= last_position", name="chunk_is_not_empty"),
        CheckConstraint(
            "state = 'open' OR settled + skipped + failed = last_position - first_position + 1",
            name="a_done_chunk_has_an_outcome_for_every_item",
        ),
        Index(
            "ix_job_chunk_open",
            "practice_id",
            "job_id",
            "first_position",
            postgresql_where=text("state = 'open'"),
        ),
    )

    practice_id: Mapped[PracticeId]
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    first_position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last_position: Mapped[Big]
    state: Mapped[ChunkState] = mapped_column(one_of(ChunkState, "chunk_state_known"), default=ChunkState.OPEN)
    attempts: Mapped[int] = mapped_column(default=0)  # times a worker took it and was never heard of again
    busy_tries: Mapped[int] = mapped_column(default=0)  # rounds in which another hand held a claim
    not_before: Mapped[dt.datetime | None]
    taken_at: Mapped[dt.datetime | None]
    taken_by: Mapped[str | None]
    done_at: Mapped[dt.datetime | None]
    settled: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    insurance_cents: Mapped[Cents] = mapped_column(default=0)  # written off
    patient_cents: Mapped[Cents] = mapped_column(default=0)
    # The receivable of its settled claims, summed before and after in the transaction that settled them.
    insurance_before_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")
    patient_before_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")
    insurance_after_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")
    patient_after_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")


class JobItem(Base):
    """One claim inside a job: what was promised of it at the preview, then what became of it. Never moves."""

    __tablename__ = "job_item"
    __table_args__ = (
        # No foreign keys: items come from one INSERT … SELECT over claim, and a check for each of a million
        # would lock and dirty a million claims at the preview. `core.ledger.invariants` compares instead.
        CheckConstraint(
            "(verdict = 'settle') OR (verdict_code IS NOT NULL)",
            name="a_skip_has_a_code",
        ),
        CheckConstraint(
            "outcome IS NULL OR outcome = 'settled' OR code IS NOT NULL",
            name="what_is_not_settled_has_a_code",
        ),
        CheckConstraint(
            "outcome IS DISTINCT FROM 'settled' OR version_after IS NOT NULL",
            name="a_settled_item_has_its_new_version",
        ),
        CheckConstraint(
            "insurance_cents >= 0 AND patient_cents >= 0",
            name="expected_write_offs_not_negative",
        ),
        Index(
            "one_item_for_each_claim_of_a_job",
            "practice_id",
            "claim_id",
            "job_id",
            unique=True,
        ),
        ROOM_FOR_UPDATES,
    )

    practice_id: Mapped[PracticeId]
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    claim_id: Mapped[Big]
    claim_version: Mapped[int]  # at the preview
    billing_status_before: Mapped[Str]
    settles_insurance: Mapped[bool]
    settles_patient: Mapped[bool]
    insurance_cents: Mapped[Cents]  # will be written off
    patient_cents: Mapped[Cents]
    verdict: Mapped[Verdict] = mapped_column(one_of(Verdict, "verdict_known"))
    verdict_code: Mapped[str | None]  # why skipped, or why settled by status alone
    outcome: Mapped[Outcome | None] = mapped_column(one_of(Outcome, "outcome_known"))
    code: Mapped[str | None]
    version_after: Mapped[int | None]
    why: Mapped[dict[str, Any] | None]  # of a skip: the values that its rule saw, by name; amounts in cents


class JobFailure(Base):
    """A failure that was tried again: the history of an item. Its newest failure is on the item itself."""

    __tablename__ = "job_failure"

    practice_id: Mapped[PracticeId]
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[Str]
    retried_at: Mapped[At]

"""Schedules and their runs. (schedule, local date) is unique: one run a day, however often beat ticks."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, GeneratedId, OfPractice, PracticeId, Str, Timestamp, UserId, enum_column
from core.enums.ledger import WriteOffReason
from core.enums.schedules import RunOutcome, ScheduleMode, ScheduleState


class Schedule(Base):
    """A rule that creates a job at a set local time."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["practice_id", "own_reason"],
            ["practice_reason.practice_id", "practice_reason.code"],
            name="a_schedule_names_its_reason",
        ),
        CheckConstraint("claims_max >= 1 AND cents_max >= 1", name="caps_let_something_through"),
        CheckConstraint("grace_minutes BETWEEN 1 AND 1380", name="a_run_starts_before_the_next_is_due"),
        CheckConstraint("(state = 'stopped') = (stopped_because IS NOT NULL)", name="a_stop_has_a_reason"),
        Index(
            "schedule_name_is_unique", "practice_id", "name", unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )  # fmt: skip

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    name: Mapped[Str]
    filter: Mapped[dict[str, Any]]  # a feed filter, as in a job's selection
    local_time: Mapped[dt.time]
    weekdays: Mapped[list[str]]  # from "mon" to "sun", in that order
    reason: Mapped[WriteOffReason] = mapped_column(enum_column(WriteOffReason, "schedule_reason_known"))
    own_reason: Mapped[str | None]  # code of the practice's own reason; None: the built-in reason of the kind
    note: Mapped[Str]
    claims_max: Mapped[BigInt]  # `core.money.UNLIMITED` stands for the word "unlimited"
    cents_max: Mapped[Cents]
    mode: Mapped[ScheduleMode] = mapped_column(enum_column(ScheduleMode, "schedule_mode_known"))
    grace_minutes: Mapped[int]  # a run may start this late
    mail_to: Mapped[list[str]]  # addresses for the run report
    state: Mapped[ScheduleState] = mapped_column(enum_column(ScheduleState, "schedule_state_known"))
    stopped_because: Mapped[str | None]  # a code
    owner_id: Mapped[UserId]  # its jobs run on behalf of this user and under this user's limits
    version: Mapped[int] = mapped_column(default=1)
    active_since: Mapped[Timestamp]  # when it was created, resumed or given a new time; earlier runs do not count
    created_at: Mapped[Timestamp]
    created_by: Mapped[BigInt]  # neither this user nor a later owner may approve its jobs
    changed_at: Mapped[Timestamp]
    changed_by: Mapped[BigInt]
    deleted_at: Mapped[dt.datetime | None]

    @property
    def reason_code(self) -> str:
        """Return the code of the practice's reason."""
        return self.own_reason or self.reason.value


class ScheduleRun(Base):
    """One run of a schedule, scheduled or by "run now"."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "schedule_id"], ["schedule.practice_id", "schedule.id"]),
        ForeignKeyConstraint(["practice_id", "job_id"], ["settle_job.practice_id", "settle_job.id"]),
        UniqueConstraint("practice_id", "schedule_id", "local_date", name="one_run_for_each_date"),
        UniqueConstraint("practice_id", "schedule_id", "run_key", name="one_run_for_each_key"),
        CheckConstraint("(local_date IS NULL) <> (run_key IS NULL)", name="a_run_has_a_date_or_a_key"),
        CheckConstraint("(outcome = 'job') = (job_id IS NOT NULL)", name="a_run_with_a_job_names_it"),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[GeneratedId]
    schedule_id: Mapped[BigInt]
    local_date: Mapped[dt.date | None]  # run date in the practice's time zone; None for "run now"
    run_key: Mapped[str | None]  # for "run now": a second click with the same key starts no second run
    requested_by: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[Timestamp]
    created_at: Mapped[Timestamp]
    mode: Mapped[ScheduleMode] = mapped_column(enum_column(ScheduleMode, "run_mode_known"))
    schedule_snapshot: Mapped[dict[str, Any]]  # the schedule at the start: an edit changes the next run, not this one
    outcome: Mapped[RunOutcome] = mapped_column(enum_column(RunOutcome, "run_outcome_known"))
    reason_code: Mapped[str | None]  # a code
    job_id: Mapped[int | None] = mapped_column(BigInteger)

"""Schedules and their nights. A run is (schedule, local date), unique: one job a night, whoever ticks how often."""

import datetime as dt
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import At, Base, Big, Cents, MadeId, PracticeId, Str, one_of
from core.models.ledger import WriteOffReason


class ScheduleMode(StrEnum):
    """What a run does with what it finds."""

    REPORT = "report"  # says what it would settle
    SETTLE = "settle"


class ScheduleState(StrEnum):
    """Whether its nights come."""

    ACTIVE = "active"
    PAUSED = "paused"  # by a person
    STOPPED = "stopped"  # by the product, for a reason that it says


class RunOutcome(StrEnum):
    """What came of a run."""

    JOB = "job"  # a job was made; the job says the rest
    NOTHING = "nothing"  # no claim matched
    MISSED = "missed"  # it was due and did not run; `because` says why
    STOPPED = "stopped"  # the schedule stopped instead
    FAILED = "failed"  # it broke; `because` is a code


class MailState(StrEnum):
    """Whether the morning report has gone out."""

    NONE = "none"  # nothing to send yet, or no mail server is configured
    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    GIVEN_UP = "given_up"


class Schedule(Base):
    """A rule that makes a job at a local time of night."""

    __tablename__ = "schedule"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id"], ["practice.id"]),
        ForeignKeyConstraint(["owner_id"], ["app_user.id"]),
        CheckConstraint("claims_max >= 1 AND cents_max >= 1", name="caps_let_something_through"),
        CheckConstraint("late_minutes BETWEEN 1 AND 1380", name="one_night_is_late_before_the_next_is_due"),
        CheckConstraint("(state = 'stopped') = (stopped_because IS NOT NULL)", name="a_stop_has_a_reason"),
        Index(
            "schedule_name_is_unique", "practice_id", "name", unique=True,
            postgresql_where=text("deleted_at IS NULL"),
        ),
    )  # fmt: skip

    practice_id: Mapped[PracticeId]
    id: Mapped[MadeId]
    name: Mapped[Str]
    filter: Mapped[dict[str, Any]]  # the feed's own terms, as a job's selection holds them
    local_time: Mapped[dt.time]
    weekdays: Mapped[list[str]]  # of "mon" to "sun", in that order
    reason: Mapped[WriteOffReason] = mapped_column(one_of(WriteOffReason, "schedule_reason_known"))
    note: Mapped[Str]
    claims_max: Mapped[Big]  # `core.money.UNLIMITED` where somebody chose the word
    cents_max: Mapped[Cents]
    mode: Mapped[ScheduleMode] = mapped_column(one_of(ScheduleMode, "schedule_mode_known"))
    late_minutes: Mapped[int]  # so late a run may still start
    mail_to: Mapped[list[str]]  # addresses of the morning report
    state: Mapped[ScheduleState] = mapped_column(one_of(ScheduleState, "schedule_state_known"))
    stopped_because: Mapped[str | None]  # a code
    owner_id: Mapped[Big]  # on whose behalf and under whose limits its jobs run
    version: Mapped[int] = mapped_column(default=1)
    counts_from: Mapped[At]  # earlier nights do not count: not made yet, paused, or another time
    made_at: Mapped[At]
    made_by: Mapped[Big]  # whoever owns it later: neither of them approves a job of it
    changed_at: Mapped[At]
    changed_by: Mapped[Big]
    deleted_at: Mapped[dt.datetime | None]


class ScheduleRun(Base):
    """One night of a schedule, or one "run now"."""

    __tablename__ = "schedule_run"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "schedule_id"], ["schedule.practice_id", "schedule.id"]),
        ForeignKeyConstraint(["practice_id", "job_id"], ["settle_job.practice_id", "settle_job.id"]),
        UniqueConstraint("practice_id", "schedule_id", "local_date", name="one_run_for_each_night"),
        UniqueConstraint("practice_id", "schedule_id", "run_key", name="one_run_for_each_key"),
        CheckConstraint("(local_date IS NULL) <> (run_key IS NULL)", name="a_run_is_a_night_or_was_asked_for"),
        CheckConstraint("(outcome = 'job') = (job_id IS NOT NULL)", name="a_run_with_a_job_names_it"),
        Index(
            "ix_schedule_run_mail", "mail_not_before",
            postgresql_where=text("mail_again OR mail_state IN ('none', 'due', 'sending')"),
        ),
    )  # fmt: skip

    practice_id: Mapped[PracticeId]
    id: Mapped[MadeId]
    schedule_id: Mapped[Big]
    local_date: Mapped[dt.date | None]  # of its night in the practice's zone; None: somebody pressed "run now"
    run_key: Mapped[str | None]  # of "run now": pressed twice, it runs once
    asked_by: Mapped[int | None] = mapped_column(BigInteger)
    due_at: Mapped[At]
    begun_at: Mapped[At]
    mode: Mapped[ScheduleMode] = mapped_column(one_of(ScheduleMode, "run_mode_known"))
    asked: Mapped[dict[str, Any]]  # the schedule as it was: an edit changes the next run, never this one
    outcome: Mapped[RunOutcome] = mapped_column(one_of(RunOutcome, "run_outcome_known"))
    because: Mapped[str | None]  # a code
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    mail_state: Mapped[MailState] = mapped_column(one_of(MailState, "mail_state_known"), default=MailState.NONE)
    mail_left: Mapped[list[str]]  # addresses to which it has not gone out yet
    mail_again: Mapped[bool] = mapped_column(default=False)  # its job had not ended when it was mailed: the end is too
    mail_since: Mapped[dt.datetime | None]  # it is tried for three days from here
    mail_tries: Mapped[int] = mapped_column(default=0)
    mail_not_before: Mapped[dt.datetime | None]
    mail_sent_at: Mapped[dt.datetime | None]

"""A practice, its offices, providers, payers and patients, its months and exclusions."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, false, text, true
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, GeneratedId, OfPractice, PracticeId, Str, Timestamp, enum_column
from core.enums.ledger import WriteOffReason
from core.enums.practices import PayerClass, PeriodState, WriteOffSetting
from core.money import UNLIMITED


class Practice(Base):
    """One medical practice: a tenant. Practices share no data."""

    __table_args__ = (
        UniqueConstraint("name", name="practice_name_is_unique"),
        CheckConstraint("recent_payment_days >= 0", name="recent_payment_days_not_negative"),
        CheckConstraint(
            "failure_percent_max BETWEEN 1 AND 100 AND failure_claims_min >= 1 AND failures_alike_max >= 2",
            name="failure_budget_makes_sense",
        ),
        CheckConstraint(
            "appeal_window_days >= 0 AND statements_min >= 0 AND statement_days >= 0", name="rule_numbers_not_negative"
        ),
        CheckConstraint("small_balance_max_cents >= 1", name="small_balance_is_an_amount"),
        CheckConstraint("claim_limit_cents >= 0 AND job_limit_cents >= 0", name="practice_limits_not_negative"),
        CheckConstraint(
            "num_nulls(one_person_chosen_by, one_person_chosen_at) IN (0, 2)", name="a_choice_has_a_user_and_a_time"
        ),
        CheckConstraint("large_confirm_cents >= 0", name="large_confirm_not_negative"),
    )

    id: Mapped[GeneratedId]
    name: Mapped[str]
    time_zone: Mapped[str]
    write_off: Mapped[WriteOffSetting] = mapped_column(enum_column(WriteOffSetting, "write_off_setting_known"))
    write_off_chosen: Mapped[bool] = mapped_column(default=True, server_default=true())  # False: still to be asked
    write_off_changed_by: Mapped[int | None] = mapped_column(BigInteger)
    write_off_changed_at: Mapped[dt.datetime | None]
    recent_payment_days: Mapped[int] = mapped_column(default=0)  # 0 turns the rule off
    # The most that a small_balance reason writes off per claim and responsibility.
    small_balance_max_cents: Mapped[Cents] = mapped_column(default=25_00, server_default="2500")
    # A denied claim is not written off for this many days after the denial. A patient balance is not written off with
    # fewer statements, or fewer days since the last one. 0 turns a rule off. Most payers allow an appeal within 120 to
    # 180 days.
    appeal_window_days: Mapped[int] = mapped_column(default=180, server_default="180")
    statements_min: Mapped[int] = mapped_column(default=0, server_default="0")
    statement_days: Mapped[int] = mapped_column(default=0, server_default="0")
    # The failure budget. A job halts if more than this percent of at least this many claims failed, or if this many
    # failures in a row have the same code.
    failure_percent_max: Mapped[int] = mapped_column(default=50, server_default="50")
    failure_claims_min: Mapped[int] = mapped_column(default=50, server_default="50")
    failures_alike_max: Mapped[int] = mapped_column(default=20, server_default="20")
    # What may be written off without approval. `core.money.UNLIMITED` stands for the word "unlimited".
    claim_limit_cents: Mapped[Cents] = mapped_column(default=UNLIMITED, server_default=str(UNLIMITED))
    job_limit_cents: Mapped[Cents] = mapped_column(default=UNLIMITED, server_default=str(UNLIMITED))
    # Who chose that jobs over a limit run without approval: `core.access.one_person`.
    one_person_chosen_by: Mapped[int | None] = mapped_column(BigInteger)
    one_person_chosen_at: Mapped[dt.datetime | None]
    # Whether approvers and administrators need a second factor. `create_practice` turns it on.
    second_factor_required: Mapped[bool] = mapped_column(default=False, server_default=false())
    # A CONFIRM that writes off more needs verification within five minutes: `core.access.permissions`.
    large_confirm_cents: Mapped[Cents] = mapped_column(default=10_000_00, server_default="1000000")
    created_at: Mapped[Timestamp]


class Period(Base):
    """A calendar month of the practice. Both posting into it and closing it lock its row."""

    __table_args__ = (
        CheckConstraint("extract(day from month) = 1", name="a_month_is_named_by_its_first_day"),
        CheckConstraint(
            "state = 'open' OR (closed_at IS NOT NULL AND totals IS NOT NULL AND digest IS NOT NULL)",
            name="a_closed_month_keeps_its_totals",
        ),
    )

    practice_id: Mapped[OfPractice]
    month: Mapped[dt.date] = mapped_column(primary_key=True)
    state: Mapped[PeriodState] = mapped_column(enum_column(PeriodState, "period_state_known"), default=PeriodState.OPEN)
    closed_by: Mapped[int | None] = mapped_column(BigInteger)
    closed_at: Mapped[dt.datetime | None]
    totals: Mapped[dict[str, Any] | None]  # cents and counts by kind and responsibility at the close
    digest: Mapped[str | None]  # of every posting of the month at the close
    reopened_by: Mapped[int | None] = mapped_column(BigInteger)
    reopened_at: Mapped[dt.datetime | None]
    reopened_because: Mapped[str | None]


class PeriodEvent(Base):
    """The close or reopening of a month: who, when, why, and its totals. Append-only."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "month"], ["period.practice_id", "period.month"]),
        CheckConstraint("(state = 'open') = (reason <> '')", name="a_reopening_says_why"),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[GeneratedId]
    month: Mapped[dt.date]
    state: Mapped[PeriodState] = mapped_column(enum_column(PeriodState, "period_event_state_known"))  # the new state
    at: Mapped[Timestamp]
    by: Mapped[BigInt]
    reason: Mapped[Str]
    totals: Mapped[dict[str, Any]]  # at the close; for a reopening, at the close that it ended
    digest: Mapped[Str]


class Exclusion(Base):
    """A patient or a payer whose claims are not written off while the exclusion lasts."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "patient_id"], ["patient.practice_id", "patient.id"]),
        ForeignKeyConstraint(["practice_id", "payer_id"], ["payer.practice_id", "payer.id"]),
        CheckConstraint("(patient_id IS NULL) <> (payer_id IS NULL)", name="an_exclusion_is_of_a_patient_or_a_payer"),
        Index(
            "one_exclusion_for_each_patient", "practice_id", "patient_id", unique=True,
            postgresql_where=text("patient_id IS NOT NULL AND ended_at IS NULL"),
        ),
        Index(
            "one_exclusion_for_each_payer", "practice_id", "payer_id", unique=True,
            postgresql_where=text("payer_id IS NOT NULL AND ended_at IS NULL"),
        ),
    )  # fmt: skip

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    patient_id: Mapped[int | None] = mapped_column(BigInteger)
    payer_id: Mapped[int | None] = mapped_column(BigInteger)
    reason: Mapped[Str]
    until: Mapped[dt.date | None]  # its last day; None: no end date
    created_by: Mapped[BigInt]
    created_at: Mapped[Timestamp]
    ended_by: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[dt.datetime | None]


class PracticeReason(Base):
    """A reason for write-offs in the practice's own words. It belongs to a built-in kind that rules refer to.

    A trigger gives each new practice the six built-in reasons. Their codes are the names of their kinds.
    """

    __table_args__ = (
        CheckConstraint("name <> '' AND code <> ''", name="a_reason_has_a_name"),
        Index("reason_name_is_unique", "practice_id", text("lower(name)"), unique=True),
    )

    practice_id: Mapped[OfPractice]
    code: Mapped[str] = mapped_column(primary_key=True)  # never changes, so that requests and schedules keep working
    name: Mapped[Str]
    kind: Mapped[WriteOffReason] = mapped_column(enum_column(WriteOffReason, "practice_reason_kind_known"))
    adjustment_code: Mapped[Str] = mapped_column(server_default="")  # in the practice-management system
    gl_account: Mapped[Str] = mapped_column(server_default="")
    changed_by: Mapped[int | None] = mapped_column(BigInteger)  # None: never changed
    changed_at: Mapped[Timestamp]
    retired_at: Mapped[dt.datetime | None]


class BillingStatus(Base):
    """A billing status of the practice, standard or its own, in screen order."""

    practice_id: Mapped[OfPractice]
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class Office(Base):
    """A place of service."""

    __table_args__ = (UniqueConstraint("practice_id", "external_id", name="office_id_is_unique"),)

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    external_id: Mapped[Str]
    name: Mapped[Str]


class Provider(Base):
    """A billing or supervising provider. Its own Balance Writeoff setting overrides the practice's."""

    __table_args__ = (UniqueConstraint("practice_id", "external_id", name="provider_id_is_unique"),)

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    external_id: Mapped[Str]
    name: Mapped[Str]
    write_off: Mapped[WriteOffSetting | None] = mapped_column(
        enum_column(WriteOffSetting, "provider_write_off_setting_known")
    )
    write_off_changed_by: Mapped[int | None] = mapped_column(BigInteger)
    write_off_changed_at: Mapped[dt.datetime | None]


class Payer(Base):
    """An insurance company, or another payer billed before the patient."""

    __table_args__ = (UniqueConstraint("practice_id", "external_id", name="payer_id_is_unique"),)

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    external_id: Mapped[Str]
    name: Mapped[Str]
    payer_class: Mapped[PayerClass] = mapped_column(enum_column(PayerClass, "payer_class_known"))


class Patient(Base):
    """The patient on a claim. Nothing here is ever logged."""

    __table_args__ = (UniqueConstraint("practice_id", "external_id", name="patient_id_is_unique"),)

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    external_id: Mapped[Str]
    name: Mapped[Str]  # one field, as the practice writes it
    birth_date: Mapped[dt.date | None]

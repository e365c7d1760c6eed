"""A practice and the people and places of its claims."""

import datetime as dt
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import At, Base, MadeId, PracticeId, Str, one_of


class WriteOffSetting(StrEnum):
    """Balance Writeoff: whose balance is written off when a claim moves to Settled."""

    PATIENT = "patient"
    INSURANCE = "insurance"
    BOTH = "both"
    NEITHER = "neither"


class PayerClass(StrEnum):
    """What kind of payer it is, as far as a rule asks."""

    COMMERCIAL = "commercial"
    MEDICARE = "medicare"
    MEDICAID = "medicaid"
    DUAL = "dual"
    TRICARE = "tricare"
    WORKERS_COMP = "workers_comp"
    AUTO = "auto"
    SELF_PAY = "self_pay"
    OTHER = "other"


class Practice(Base):
    """One medical practice: a tenant. Nothing is ever shared between two."""

    __tablename__ = "practice"
    __table_args__ = (
        UniqueConstraint("name", name="practice_name_is_unique"),
        CheckConstraint("recent_payment_days >= 0", name="recent_payment_days_not_negative"),
        CheckConstraint(
            "failure_percent_max BETWEEN 1 AND 100 AND failure_claims_min >= 1 AND failures_alike_max >= 2",
            name="failure_budget_makes_sense",
        ),
    )

    id: Mapped[MadeId]
    name: Mapped[str]
    time_zone: Mapped[str]
    write_off: Mapped[WriteOffSetting] = mapped_column(one_of(WriteOffSetting, "write_off_setting_known"))
    write_off_changed_by: Mapped[int | None] = mapped_column(BigInteger)
    write_off_changed_at: Mapped[dt.datetime | None]
    recent_payment_days: Mapped[int] = mapped_column(default=0)  # 0 = the window is off
    # The failure budget of a job: it halts when more than so many percent of at least so many claims have
    # failed, or when its last so many failures are alike.
    failure_percent_max: Mapped[int] = mapped_column(default=50, server_default="50")
    failure_claims_min: Mapped[int] = mapped_column(default=50, server_default="50")
    failures_alike_max: Mapped[int] = mapped_column(default=20, server_default="20")
    created_at: Mapped[At]


class BillingStatus(Base):
    """A billing status that the practice uses: the standard ones and its own, in the order of its screens."""

    __tablename__ = "billing_status"
    __table_args__ = (ForeignKeyConstraint(["practice_id"], ["practice.id"]),)

    practice_id: Mapped[PracticeId]
    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class Office(Base):
    """A place of service."""

    __tablename__ = "office"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id"], ["practice.id"]),
        UniqueConstraint("practice_id", "external_id", name="office_id_is_unique"),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[MadeId]
    external_id: Mapped[Str]
    name: Mapped[Str]


class Provider(Base):
    """A billing or supervising provider; its own Balance Writeoff setting goes before the practice's."""

    __tablename__ = "provider"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id"], ["practice.id"]),
        UniqueConstraint("practice_id", "external_id", name="provider_id_is_unique"),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[MadeId]
    external_id: Mapped[Str]
    name: Mapped[Str]
    write_off: Mapped[WriteOffSetting | None] = mapped_column(
        one_of(WriteOffSetting, "provider_write_off_setting_known")
    )
    write_off_changed_by: Mapped[int | None] = mapped_column(BigInteger)
    write_off_changed_at: Mapped[dt.datetime | None]


class Payer(Base):
    """An insurance, or whoever else owes before the patient."""

    __tablename__ = "payer"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id"], ["practice.id"]),
        UniqueConstraint("practice_id", "external_id", name="payer_id_is_unique"),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[MadeId]
    external_id: Mapped[Str]
    name: Mapped[Str]
    payer_class: Mapped[PayerClass] = mapped_column(one_of(PayerClass, "payer_class_known"))


class Patient(Base):
    """Whom the claim is about. Nothing here is ever logged."""

    __tablename__ = "patient"
    __table_args__ = (
        ForeignKeyConstraint(["practice_id"], ["practice.id"]),
        UniqueConstraint("practice_id", "external_id", name="patient_id_is_unique"),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[MadeId]
    external_id: Mapped[Str]
    name: Mapped[Str]  # as the practice writes it, one field
    birth_date: Mapped[dt.date | None]

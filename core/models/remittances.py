"""Remittances (835): what payers answered, what was decided for each claim, and the practice's own posting rules."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, GeneratedId, OfPractice, PracticeId, Str, Timestamp, enum_column
from core.enums.ledger import GroupCode, PaidBy
from core.enums.remittances import Outcome, RuleAction


class Remittance(Base):
    """One 835 transaction. `digest` is the fingerprint of its content, so the same content is never posted twice."""

    __table_args__ = (
        UniqueConstraint("practice_id", "digest", name="a_remittance_is_recorded_once"),
        Index("ix_remittance_trace", "practice_id", "trace"),
    )

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    import_id: Mapped[int | None] = mapped_column(BigInteger)  # None if a command imported it
    file_name: Mapped[Str]
    ordinal: Mapped[int]  # its place in the file, from 1
    digest: Mapped[Str]  # SHA-256
    version: Mapped[Str]
    payer_name: Mapped[Str]
    payer_id: Mapped[Str]  # N104
    payer_tax_id: Mapped[Str]  # TRN03
    payee_id: Mapped[Str]  # N104
    trace: Mapped[Str]  # TRN02, the check or transfer number
    method: Mapped[Str]  # BPR04
    paid_on: Mapped[dt.date | None]
    paid_cents: Mapped[Cents]  # BPR02
    claims_cents: Mapped[Cents]  # the sum of CLP04
    provider_cents: Mapped[Cents]  # the sum of PLB; positive lowers the payment
    claims: Mapped[int]
    held_because: Mapped[str | None]  # the worst code; None: its claims were decided one by one
    faults: Mapped[list[Any]] = mapped_column(JSONB)  # problem, segment, element, detail
    received_at: Mapped[Timestamp]
    user_id: Mapped[int | None] = mapped_column(BigInteger)


class RemittanceClaim(Base):
    """A payer's answer on one claim (CLP), and what was decided."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "remittance_id"], ["remittance.practice_id", "remittance.id"]),
        CheckConstraint(
            "outcome NOT IN ('posted', 'warned') OR (claim_id IS NOT NULL AND posted_at IS NOT NULL)",
            name="a_posted_answer_has_a_claim",
        ),
        CheckConstraint("outcome <> 'held' OR reasons <> '[]'", name="a_held_answer_has_a_reason"),
        Index("ix_remittance_claim_claim", "practice_id", "claim_id", postgresql_where=text("claim_id IS NOT NULL")),
        Index("ix_remittance_claim_payer_number", "practice_id", "payer_claim_id"),
        Index("ix_remittance_claim_held", "practice_id", "remittance_id", postgresql_where=text("outcome = 'held'")),
        Index(
            "ix_remittance_claim_timed", "practice_id",
            postgresql_where=text("outcome = 'held' AND reasons ?| ARRAY['future_date', 'claim_in_job']"),
        ),
        Index(
            "an_answer_is_reversed_once", "practice_id", "reverses_remittance_id", "reverses_ordinal", unique=True,
            postgresql_where=text("reverses_remittance_id IS NOT NULL"),
        ),
    )  # fmt: skip

    practice_id: Mapped[PracticeId]
    remittance_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)  # its place in the remittance, from 1
    claim_number: Mapped[Str]  # CLP01, as the payer returned it
    status: Mapped[Str]  # CLP02
    payer_claim_id: Mapped[Str]  # CLP07
    patient_name: Mapped[Str]  # as the payer wrote it, so that a user finds the claim of a held answer
    member_id: Mapped[Str]  # the patient's or the subscriber's
    charge_cents: Mapped[Cents]
    paid_cents: Mapped[Cents]
    patient_cents: Mapped[Cents]  # CLP05; information only
    first_on: Mapped[dt.date | None]  # dates of service
    last_on: Mapped[dt.date | None]
    has_next_payer: Mapped[bool]  # the payer forwarded the claim
    faults: Mapped[list[Any]] = mapped_column(JSONB)  # as of a remittance
    unreadable: Mapped[list[str]]  # elements whose amount cannot be read, such as CLP04; the amount is no fact
    claim_id: Mapped[int | None] = mapped_column(BigInteger)  # the practice's claim
    payer_role: Mapped[PaidBy | None] = mapped_column(enum_column(PaidBy, "payer_role_known"))
    outcome: Mapped[Outcome] = mapped_column(enum_column(Outcome, "remittance_outcome_known"))
    reasons: Mapped[list[str]]  # codes: `core.intake.remittances.reasons`
    postings: Mapped[int]  # how many the answer made
    reverses_remittance_id: Mapped[int | None] = mapped_column(BigInteger)  # the answer that this one reverses
    reverses_ordinal: Mapped[int | None]
    posted_at: Mapped[dt.datetime | None]
    decided_by: Mapped[int | None] = mapped_column(BigInteger)  # the person who matched, posted or ignored it
    decided_at: Mapped[dt.datetime | None]
    note: Mapped[str | None]


class RemittanceLine(Base):
    """A service line of an answer (SVC), or its claim level (ordinal 0), with the adjustments (CAS)."""

    # No foreign key: it would scan the answers for each line of a first import, because PostgreSQL keeps the plan that
    # it made while there were none. `settle verify` checks that each line has its answer.
    practice_id: Mapped[PracticeId]
    remittance_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    claim_ordinal: Mapped[int] = mapped_column(primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[Str]  # what was adjudicated
    modifiers: Mapped[list[str]]
    submitted_code: Mapped[Str]  # what was billed, if the payer says so
    submitted_modifiers: Mapped[list[str]]
    charge_cents: Mapped[Cents]
    paid_cents: Mapped[Cents]
    unreadable: Mapped[list[str]]  # elements whose amount cannot be read, such as SVC03
    adjustments: Mapped[list[Any]] = mapped_column(JSONB)  # group, reason, cents (null: unreadable), action
    remarks: Mapped[list[str]]
    control_number: Mapped[Str]  # REF*6R
    service_on: Mapped[dt.date | None]  # DTM 472, or the first day of a period
    line: Mapped[int | None] = mapped_column(SmallInteger)  # the practice's service line


class ProviderAdjustment(Base):
    """Money between payer and provider that belongs to no claim (PLB). Positive lowers the payment. Never posted."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "remittance_id"], ["remittance.practice_id", "remittance.id"]),
    )

    practice_id: Mapped[PracticeId]
    remittance_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    provider_id: Mapped[Str]
    reason: Mapped[Str]
    reference: Mapped[Str]
    cents: Mapped[Cents]


class PostingRule(Base):
    """The practice's own action for an adjustment, instead of the default one. Applies to later postings only."""

    practice_id: Mapped[OfPractice]
    group_code: Mapped[GroupCode] = mapped_column(enum_column(GroupCode, "rule_group_known"), primary_key=True)
    reason_code: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[RuleAction] = mapped_column(enum_column(RuleAction, "rule_action_known"))
    changed_by: Mapped[BigInt]
    changed_at: Mapped[Timestamp]

"""Claims and their service lines. Every amount here is a cache of the ledger, written only by `core.ledger`."""

import datetime as dt

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    SmallInteger,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import FILL_FACTOR, Base, BigInt, Cents, GeneratedId, PracticeId, Str, enum_column
from core.enums.claims import SETTLED, ClaimStatus, ClaimType, Hold


class Claim(Base):
    """One bill for one visit. `version` rises with every change that affects a rule, an amount or a status."""

    __table_args__ = (
        # No foreign keys: a trigger checks all rows of a statement at once (migration 0016).
        UniqueConstraint("practice_id", "external_id", name="claim_id_is_unique_in_its_practice"),
        CheckConstraint("version >= 1", name="claim_version_counts_from_one"),
        Index("ix_claim_service_date", "practice_id", "service_date", "id"),
        # The feed of open claims needs it: 0.6 ms instead of 156 ms for a page. It takes 15% of the server's CPU for a
        # chunk, because a claim whose status changes is not HOT.
        Index(
            "ix_claim_open_service_date",
            "practice_id",
            "service_date",
            "id",
            postgresql_where=text(f"billing_status <> '{SETTLED}'"),
        ),
        # Settling changes none of its columns.
        Index("ix_claim_on_hold", "practice_id", "id", postgresql_where=text("hold IS NOT NULL")),
        # For the few claims with a credit. No job settles them, so settling does not write to this index.
        Index("ix_claim_with_credit", "practice_id", "service_date", "id", postgresql_where=text("has_credit_line")),
        # For the claims whose balance differs from the ledger. Operations count them.
        Index("ix_claim_mismatch", "practice_id", "id", postgresql_where=text("balance_mismatch")),
        FILL_FACTOR,
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[GeneratedId]
    external_id: Mapped[Str]  # the practice's own claim ID, in any format; the only ID that is shown
    version: Mapped[int] = mapped_column(default=1)

    patient_id: Mapped[BigInt]
    office_id: Mapped[BigInt]
    billing_provider_id: Mapped[BigInt]
    supervising_provider_id: Mapped[int | None] = mapped_column(BigInteger)
    claim_type: Mapped[ClaimType] = mapped_column(enum_column(ClaimType, "claim_type_known"))
    service_date: Mapped[dt.date]  # in the practice's time zone
    service_time: Mapped[dt.time | None]

    # No foreign key to billing_status, because it would lock one row of that table for each claim that settles.
    billing_status: Mapped[Str]
    # True if a posting gave the Settled claim a balance. Once its balance is zero, the claim is Settled again. A job
    # that sets the status clears this.
    reopened: Mapped[bool] = mapped_column(default=False, server_default=false())
    primary_payer_id: Mapped[int | None] = mapped_column(BigInteger)
    primary_status: Mapped[ClaimStatus] = mapped_column(enum_column(ClaimStatus, "primary_status_known"))
    secondary_payer_id: Mapped[int | None] = mapped_column(BigInteger)
    secondary_status: Mapped[ClaimStatus] = mapped_column(enum_column(ClaimStatus, "secondary_status_known"))
    hold: Mapped[Hold | None] = mapped_column(enum_column(Hold, "hold_known"))
    hold_until: Mapped[dt.date | None]  # last day in the practice's time zone; None: no end date
    hold_by: Mapped[int | None] = mapped_column(BigInteger)
    hold_at: Mapped[dt.datetime | None]
    hold_reason: Mapped[str | None]  # free text; shown, never logged
    # Set by `settle verify` if a cached amount differs from the ledger. The feed and the preview read it.
    balance_mismatch: Mapped[bool] = mapped_column(default=False)

    billed: Mapped[Cents] = mapped_column(default=0)
    allowed: Mapped[int | None] = mapped_column(BigInteger)
    expected: Mapped[int | None] = mapped_column(BigInteger)  # expected reimbursement
    adjustment: Mapped[Cents] = mapped_column(default=0)  # without write-offs; positive lowers the balance
    primary_paid: Mapped[Cents] = mapped_column(default=0)
    secondary_paid: Mapped[Cents] = mapped_column(default=0)
    patient_paid: Mapped[Cents] = mapped_column(default=0)
    insurance_due: Mapped[Cents] = mapped_column(default=0)
    patient_due: Mapped[Cents] = mapped_column(default=0)
    has_credit_line: Mapped[bool] = mapped_column(default=False)
    last_payment_on: Mapped[dt.date | None]
    first_edi_on: Mapped[dt.date | None]
    last_edi_on: Mapped[dt.date | None]
    # Facts that only imports set and check. None: unknown.
    statements_sent: Mapped[int | None]  # to the patient
    last_statement_on: Mapped[dt.date | None]
    denied_on: Mapped[dt.date | None]  # the payer's last denial, of the claim or of one of its lines
    denial_group: Mapped[str | None]  # a `GroupCode`
    denial_carc: Mapped[str | None]
    # The newest answer of a payer that was posted from a remittance.
    last_answer_on: Mapped[dt.date | None]  # its posting date
    last_answer_status: Mapped[str | None]  # CLP02
    payer_claim_number: Mapped[str | None]  # CLP07


class LineItem(Base):
    """One charged service on a claim, with its balances. Positive is owed, negative is a credit."""

    __table_args__ = (
        # The claim must exist: a trigger checks all rows of a statement at once (migration 0016).
        CheckConstraint("number >= 1", name="lines_count_from_one"),
        FILL_FACTOR,
    )

    practice_id: Mapped[PracticeId]
    claim_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    number: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    procedure_code: Mapped[Str]  # CPT or HCPCS
    charge: Mapped[Cents] = mapped_column(default=0)
    insurance_due: Mapped[Cents] = mapped_column(default=0)
    patient_due: Mapped[Cents] = mapped_column(default=0)

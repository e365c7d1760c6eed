"""Postings: the ledger. Rows are only added."""

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    SmallInteger,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, GeneratedId, PracticeId, Str, Timestamp, enum_column
from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility, WriteOffReason


class Posting(Base):
    """One immutable ledger entry on a service line. A statement trigger refuses UPDATE, DELETE and TRUNCATE."""

    __table_args__ = (
        # The line, the job and the posting that it reverses must exist: a trigger checks all rows of a statement at
        # once (migration 0016). Foreign keys took a third of a chunk's time.
        CheckConstraint("amount_cents <> 0", name="posting_amount_not_zero"),
        CheckConstraint(
            "(kind = 'reversal') = (reverses_id IS NOT NULL)",
            name="reversal_names_its_original",
        ),
        CheckConstraint(
            "(kind = 'payment') = (paid_by IS NOT NULL) OR kind = 'reversal'",
            name="payment_says_who_paid",
        ),
        CheckConstraint(
            "kind <> 'write_off' OR (write_off_reason IS NOT NULL AND claim_version IS NOT NULL AND amount_cents < 0)",
            name="write_off_has_reason_and_version_and_lowers_the_due",
        ),
        CheckConstraint("kind <> 'charge' OR amount_cents > 0", name="charge_raises_the_due"),
        CheckConstraint(
            "kind = 'adjustment' OR (group_code IS NULL AND reason_code IS NULL)",
            name="only_adjustments_carry_carc",
        ),
        Index(
            "one_write_off_for_each_line_responsibility_and_version",
            "practice_id",
            "claim_id",
            "line",
            "responsibility",
            "claim_version",
            unique=True,
            postgresql_where=text("kind = 'write_off'"),
        ),
        Index(
            "one_reversal_for_each_posting",
            "practice_id",
            "reverses_id",
            unique=True,
            postgresql_where=text("reverses_id IS NOT NULL"),
        ),
        Index(
            "one_posting_for_each_source_id",
            "practice_id",
            "source",
            "source_id",
            unique=True,
            postgresql_where=text("source IS NOT NULL"),
        ),
        Index(
            "ix_posting_that_came_late",
            "practice_id",
            "origin_job_id",
            postgresql_where=text("caused_by_id IS NOT NULL"),
        ),
    )

    # The key begins with the line, so that one index serves as key and as the ledger's reading order.
    practice_id: Mapped[PracticeId]
    claim_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)

    responsibility: Mapped[Responsibility] = mapped_column(enum_column(Responsibility, "responsibility_known"))
    kind: Mapped[PostingKind] = mapped_column(enum_column(PostingKind, "posting_kind_known"))
    amount_cents: Mapped[Cents]  # positive raises the balance, negative lowers it; the balance is the sum
    paid_by: Mapped[PaidBy | None] = mapped_column(enum_column(PaidBy, "paid_by_known"))
    group_code: Mapped[GroupCode | None] = mapped_column(enum_column(GroupCode, "group_code_known"))
    reason_code: Mapped[str | None]  # CARC
    write_off_reason: Mapped[WriteOffReason | None] = mapped_column(
        enum_column(WriteOffReason, "write_off_reason_known")
    )
    note: Mapped[str | None]
    posted_on: Mapped[dt.date]
    created_at: Mapped[Timestamp]
    user_id: Mapped[int | None] = mapped_column(BigInteger)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    claim_version: Mapped[int | None]  # for a write-off: the claim's version at the decision
    reverses_id: Mapped[int | None] = mapped_column(BigInteger)
    # For a reversal or re-posting that a late payment caused: that payment, on the same claim. `origin_job_id` is the
    # job that posted the write-off.
    caused_by_id: Mapped[int | None] = mapped_column(BigInteger)
    origin_job_id: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str | None]  # where an imported or manual posting came from
    source_id: Mapped[str | None]


class PostingDigest(Base):
    """A digest of the postings that one statement added. A trigger writes it. Append-only.

    The audit log's chain covers the digests of each transaction with an act. The act that ends a job covers the job's.
    """

    __table_args__ = (
        Index("ix_posting_digest_transaction", "practice_id", "transaction_id"),
        # A second digest of a job and microsecond fails, and the trigger repeats it with `ids`.
        Index(
            "uq_posting_digest_job",
            "practice_id",
            "job_id",
            "at",
            text("(first_id / 100000)"),
            text("coalesce(lower(ids), 0)"),
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[GeneratedId]
    # Its postings have this job, this time, and an id in `ids` or, without those, from the first to the last. `ids` is
    # set if another digest has the same job and time. That digest does not have those ids.
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    at: Mapped[Timestamp]
    first_id: Mapped[BigInt]
    last_id: Mapped[BigInt]
    ids: Mapped[Any | None] = mapped_column(INT8MULTIRANGE)
    postings: Mapped[BigInt]  # how many
    sha256: Mapped[Str]  # hexadecimal, of a line for each posting
    transaction_id: Mapped[Str]

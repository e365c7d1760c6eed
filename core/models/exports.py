"""Write-off files for the practice-management system: their layouts, and which postings a sent file contains."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, GeneratedId, OfPractice, PracticeId, Str, Timestamp


class PostingLayout(Base):
    """The columns and formats of a write-off file, saved by name. The value is a `core.exports.layouts.Layout`."""

    __table_args__ = (Index("posting_layout_name_is_unique", "practice_id", text("lower(name)"), unique=True),)

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    name: Mapped[Str]
    layout: Mapped[dict[str, Any]]
    changed_by: Mapped[BigInt]
    changed_at: Mapped[Timestamp]


class PostingFile(Base):
    """A file marked as sent. Each download contains the same rows."""

    __table_args__ = (
        UniqueConstraint("practice_id", "sent_by", "idempotency_key", name="one_posting_file_for_each_key"),
    )

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    idempotency_key: Mapped[Str]
    sent_by: Mapped[BigInt]
    sent_at: Mapped[Timestamp]
    layout_name: Mapped[Str]  # frozen
    layout: Mapped[dict[str, Any]]  # frozen
    codes: Mapped[dict[str, Any]]  # frozen: [adjustment code, GL account] by reason, for jobs whose own are blank
    write_offs: Mapped[int]
    reversals: Mapped[int]
    written_off_cents: Mapped[Cents]  # above zero
    reversed_cents: Mapped[Cents]


class SentPosting(Base):
    """A posting in a sent file, or one that an export repeated. It has the posting's key, so it is sent once."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "file_id"], ["posting_file.practice_id", "posting_file.id"]),
        Index("ix_sent_posting_file", "practice_id", "file_id", "claim_id", "line", "posting_id"),
    )

    practice_id: Mapped[PracticeId]
    claim_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    posting_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    file_id: Mapped[int | None] = mapped_column(BigInteger)  # None: it is already in the practice's own system
    patient_name: Mapped[Str]  # as sent, because an import may correct a name, and the two below
    service_date: Mapped[dt.date | None]  # None: marked by the previous version, which did not store it
    procedure_code: Mapped[str | None]  # the same

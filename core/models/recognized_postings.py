"""Postings in an export that are already in the ledger as write-offs."""

import datetime as dt

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, PracticeId, Str


class RecognizedPosting(Base):
    """A posting in an export that matches an existing write-off, with its values in the newest export. Never posted.

    The office posts a job's write-offs in its own system, so the next export contains them as adjustments or as lower
    balances. The next import compares the export with these values. `amount_cents` is 0 if the posting is no longer in
    the export.
    """

    __table_args__ = (
        ForeignKeyConstraint(
            ["practice_id", "claim_id", "line"],
            ["line_item.practice_id", "line_item.claim_id", "line_item.number"],
        ),
        Index("ix_recognized_posting_claim", "practice_id", "claim_id", "source"),
    )

    practice_id: Mapped[PracticeId]
    source: Mapped[str] = mapped_column(primary_key=True)
    source_id: Mapped[str] = mapped_column(primary_key=True)
    claim_id: Mapped[BigInt]
    line: Mapped[int] = mapped_column(SmallInteger)
    responsibility: Mapped[Str]
    kind: Mapped[Str]
    amount_cents: Mapped[Cents]
    paid_by: Mapped[str | None]
    group_code: Mapped[str | None]
    reason_code: Mapped[str | None]
    posted_on: Mapped[dt.date]
    recognized_at: Mapped[dt.datetime]
    user_id: Mapped[int | None] = mapped_column(BigInteger)

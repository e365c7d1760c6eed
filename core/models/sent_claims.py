"""Claims as they were sent to payers in 837 files: what finds them again in a payer's answers."""

import datetime as dt

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKeyConstraint, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, OfPractice, PracticeId, Str


class SentClaim(Base):
    """A claim with one of its payers. The last columns are of the newest 837 to this payer, if there is one."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "claim_id"], ["claim.practice_id", "claim.id"]),
        CheckConstraint("payer_order IN ('P', 'S', 'T')", name="payer_order_known"),
        Index("ix_sent_claim_member", "practice_id", "member_id"),
        Index(
            "ix_sent_claim_payer_number", "practice_id", "payer_claim_number",
            postgresql_where=text("payer_claim_number IS NOT NULL"),
        ),
    )  # fmt: skip

    practice_id: Mapped[PracticeId]
    claim_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    payer_order: Mapped[Str] = mapped_column(primary_key=True)  # P primary, S secondary, T tertiary
    payer_number: Mapped[str | None]  # NM109, such as the payer's electronic ID
    payer_name: Mapped[str | None]
    member_id: Mapped[str | None]  # the subscriber's
    frequency: Mapped[str | None]  # 1 original, 7 replacement, 8 void
    # In the sender's time zone. Dates and times of different files compare, because one system writes them.
    sent_at: Mapped[dt.datetime | None] = mapped_column(DateTime())
    digest: Mapped[str | None]  # of the transaction
    status_on: Mapped[dt.date | None]  # of the last 277CA about the claim with this payer
    payer_claim_number: Mapped[str | None]  # REF*1K of a 277CA


class SentNumber(Base):
    """A number under which a claim was sent again as a replacement or void. The claim keeps its first number."""

    __table_args__ = (ForeignKeyConstraint(["practice_id", "claim_id"], ["claim.practice_id", "claim.id"]),)

    practice_id: Mapped[PracticeId]
    number: Mapped[str] = mapped_column(primary_key=True)  # CLM01
    claim_id: Mapped[BigInt]


class WaitingAcknowledgment(Base):
    """What the last 277CA of a payer says of a claim that the practice does not have yet."""

    practice_id: Mapped[OfPractice]
    claim_number: Mapped[str] = mapped_column(primary_key=True)  # TRN02
    payer: Mapped[str] = mapped_column(primary_key=True)  # empty: a clearinghouse said it
    status: Mapped[Str]
    status_on: Mapped[dt.date | None]
    payer_claim_number: Mapped[str | None]  # REF*1K


class OwnTaxId(Base):
    """A tax ID of the practice's billing providers, as its claims have it (REF*EI). Digits only."""

    practice_id: Mapped[OfPractice]
    tax_id: Mapped[str] = mapped_column(primary_key=True)


class SentLine(Base):
    """A service line, as in the newest 837 with the claim. Only for lines that the claim has."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["practice_id", "claim_id", "line"],
            ["line_item.practice_id", "line_item.claim_id", "line_item.number"],
        ),
    )

    practice_id: Mapped[PracticeId]
    claim_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    line: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    control_number: Mapped[str | None]  # REF*6R, which the payer must return with the line
    modifiers: Mapped[Str]  # separated by spaces
    service_on: Mapped[dt.date | None]

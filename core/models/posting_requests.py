"""Postings by hand over the per-claim limit: each waits for another user's approval."""

import datetime as dt

from sqlalchemy import BigInteger, CheckConstraint, ForeignKeyConstraint, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, Cents, GeneratedId, OfPractice, Str, Timestamp, enum_column
from core.enums.ledger import GroupCode, PaidBy, PostingKind, Responsibility
from core.enums.posting_requests import RequestState


class PostingRequest(Base):
    """A payment, an adjustment or a transfer as a user entered it. Nothing is posted before it is approved."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "claim_id"], ["claim.practice_id", "claim.id"]),
        UniqueConstraint("practice_id", "source_id", name="one_posting_request_for_each_source_id"),
        CheckConstraint("amount_cents > 0", name="a_requested_posting_lowers_a_balance"),
        CheckConstraint(
            "(state = 'waiting') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
            name="a_decided_posting_has_a_user_and_a_time",
        ),
        CheckConstraint(
            "decided_by IS NULL OR (state = 'withdrawn') = (decided_by = requested_by)",
            name="another_user_decides_on_a_posting",
        ),
        CheckConstraint("(state = 'rejected') = (decision_note IS NOT NULL)", name="a_rejected_posting_has_a_reason"),
        Index("ix_posting_request_claim", "practice_id", "claim_id"),
        Index("ix_posting_request_waiting", "practice_id", "id", postgresql_where=text("state = 'waiting'")),
    )

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    claim_id: Mapped[BigInt]
    source_id: Mapped[Str]  # of its postings, each with its own index
    kind: Mapped[PostingKind] = mapped_column(enum_column(PostingKind, "posting_request_kind_known"))
    line: Mapped[int] = mapped_column(SmallInteger)
    responsibility: Mapped[Responsibility] = mapped_column(
        enum_column(Responsibility, "posting_request_responsibility_known")
    )
    amount_cents: Mapped[Cents]  # what it takes off this balance
    paid_by: Mapped[PaidBy | None] = mapped_column(enum_column(PaidBy, "posting_request_paid_by_known"))
    group_code: Mapped[GroupCode | None] = mapped_column(enum_column(GroupCode, "posting_request_group_code_known"))
    reason_code: Mapped[str | None]
    note: Mapped[str | None]
    posted_on: Mapped[dt.date]
    credit_cents: Mapped[Cents]  # the credit that it would have left when it was entered
    limit_cents: Mapped[Cents]
    total_cents: Mapped[Cents]  # with what the user entered on the claim before, without approval
    state: Mapped[RequestState] = mapped_column(enum_column(RequestState, "posting_request_state_known"))
    requested_by: Mapped[BigInt]
    requested_at: Mapped[Timestamp]
    decided_by: Mapped[int | None] = mapped_column(BigInteger)
    decided_at: Mapped[dt.datetime | None]
    decision_note: Mapped[str | None]

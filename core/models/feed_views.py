"""Views of the feed, and the patient names that its addresses stand for."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, GeneratedId, OfPractice, Str, Timestamp


class FeedView(Base):
    """A named view of the feed. Its owner sees it; if it is shared, all users of the practice do."""

    __table_args__ = (
        Index("feed_view_name_is_unique_for_its_owner", "practice_id", "owner_id", text("lower(name)"), unique=True),
    )

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    owner_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("app_user.id"))
    name: Mapped[Str]
    shared: Mapped[bool]
    content: Mapped[dict[str, Any]]  # columns, sort and filter; the filter may contain a patient's name
    changed_at: Mapped[Timestamp]


class DefaultFeedView(Base):
    """The view in which a user's feed opens."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "view_id"], ["feed_view.practice_id", "feed_view.id"], ondelete="CASCADE"),
    )

    user_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("app_user.id"), primary_key=True, autoincrement=False)
    practice_id: Mapped[BigInt]
    view_id: Mapped[BigInt]


class PatientSearch(Base):
    """Part of a patient's name that a filter searched for. An address of the feed contains only the token."""

    __table_args__ = (UniqueConstraint("practice_id", "name", name="patient_search_has_one_token"),)

    practice_id: Mapped[OfPractice]
    token: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[Str]
    searched_at: Mapped[Timestamp]

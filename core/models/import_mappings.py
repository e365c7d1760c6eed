"""Saved mappings: how to read the files of one practice-management system."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, GeneratedId, OfPractice, Str, Timestamp


class ImportMapping(Base):
    """A named mapping of a practice. `mapping` is the JSON of `core.intake.mapping.mapping.Mapping`."""

    __table_args__ = (
        UniqueConstraint("practice_id", "name", name="mapping_name_is_unique_in_its_practice"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 60", name="a_mapping_has_a_short_name"),
    )

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    name: Mapped[Str]
    mapping: Mapped[dict[str, Any]]
    saved_by: Mapped[int | None] = mapped_column(BigInteger)  # None: the command on the server
    saved_at: Mapped[Timestamp]

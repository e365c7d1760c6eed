"""What imports changed on existing records, with old and new values."""

from sqlalchemy import BigInteger, ForeignKeyConstraint, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, PracticeId, Str


class ImportChange(Base):
    """One field that an import changed. Append-only.

    Old and new values may be a name or a date of birth, so they are stored here and not in the facts of the audit
    entry, which appear in logs and exports. The entry contains the digest of these rows.
    """

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "entry_id"], ["audit_entry.practice_id", "audit_entry.id"]),
        Index("ix_import_change_entry", "practice_id", "entry_id", "id"),
    )

    practice_id: Mapped[PracticeId]
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    entry_id: Mapped[BigInt]  # the audit entry
    record: Mapped[Str]  # claim, line, patient, payer, provider or office
    number: Mapped[Str]  # the practice's own number of the record
    field: Mapped[Str]
    old: Mapped[str | None]
    new: Mapped[str | None]

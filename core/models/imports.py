"""Imports: files that a user uploaded, their check, and whether their claims were imported."""

import datetime as dt
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, BigInt, GeneratedId, OfPractice, PracticeId, Str, Timestamp, UserId, enum_column
from core.enums.imports import ImportSource, ImportStatus

PIECE_BYTES_MAX: Final = 1024 * 1024  # neither the web process nor a worker holds more of a file in memory


class ImportJob(Base):
    """One import: uploaded, checked, confirmed, imported."""

    __table_args__ = (
        UniqueConstraint(
            "practice_id", "requested_by", "idempotency_key", name="one_import_for_each_idempotency_key"
        ),
        CheckConstraint("(status = 'refused') = (refused_because IS NOT NULL)", name="a_refused_import_has_a_reason"),
        CheckConstraint(
            "status NOT IN ('importing', 'imported') OR confirmed_by IS NOT NULL",
            name="an_import_runs_only_confirmed",
        ),
        Index(
            "ix_import_job_unfinished",
            "status",
            postgresql_where=text("status NOT IN ('imported', 'refused', 'discarded')"),
        ),
    )  # fmt: skip

    practice_id: Mapped[OfPractice]
    id: Mapped[GeneratedId]
    status: Mapped[ImportStatus] = mapped_column(enum_column(ImportStatus, "import_status_known"))
    source: Mapped[ImportSource | None] = mapped_column(enum_column(ImportSource, "import_source_known"))  # if known
    options: Mapped[dict[str, Any]]  # how to read the files: Synthea's payments, or a copy of the mapping
    files: Mapped[list[Any]] = mapped_column(JSONB)  # uploaded: name, bytes; sha256 once a worker has read them
    expected_cents: Mapped[int | None] = mapped_column(BigInteger)  # the A/R total that the office expects
    requested_by: Mapped[UserId]
    requested_at: Mapped[Timestamp]
    idempotency_key: Mapped[Str]
    request_hash: Mapped[Str]  # of the request, so that one key cannot stand for two requests
    received_at: Mapped[Timestamp]  # when the last piece came; an upload without new pieces expires
    attempts: Mapped[int] = mapped_column(default=0)  # at the current step; refused if the step keeps killing workers
    phase: Mapped[str | None]  # what the worker is doing
    phase_done: Mapped[BigInt] = mapped_column(default=0)
    phase_total: Mapped[BigInt] = mapped_column(default=0)  # 0: unknown
    report: Mapped[dict[str, Any] | None]  # `core.intake.uploads.report`
    refused_because: Mapped[str | None]  # a code
    checked_at: Mapped[dt.datetime | None]
    confirmed_by: Mapped[int | None] = mapped_column(BigInteger)
    confirmed_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]


class ImportPiece(Base):
    """A part of an uploaded file, deleted when the import ends, or of a list that its check made."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "import_id"], ["import_job.practice_id", "import_job.id"]),
        CheckConstraint(f"octet_length(content) BETWEEN 1 AND {PIECE_BYTES_MAX}", name="a_piece_is_small"),
    )

    practice_id: Mapped[PracticeId]
    import_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    # Its place in `ImportJob.files`. A list that the check made is below 0: `core.intake.uploads.lists`.
    file: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)  # from 0; all but the last have PIECE_BYTES_MAX bytes
    content: Mapped[bytes] = mapped_column(LargeBinary)

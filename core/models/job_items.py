"""The chunks of a job, its items and their failures. Counters live on chunks and nowhere else."""

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ColumnElement, ForeignKeyConstraint, Index, and_, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import FILL_FACTOR, Base, BigInt, Cents, PracticeId, Str, Timestamp, enum_column
from core.enums.job_items import ChunkState, Outcome, Verdict


class JobChunk(Base):
    """The items from `first_position` to `last_position`. They commit together, and the row lock is the lease."""

    __table_args__ = (
        ForeignKeyConstraint(["practice_id", "job_id"], ["settle_job.practice_id", "settle_job.id"]),
        CheckConstraint("first_position <= last_position", name="chunk_is_not_empty"),
        CheckConstraint(
            "state = 'open' OR settled + skipped + failed = last_position - first_position + 1",
            name="a_done_chunk_has_an_outcome_for_every_item",
        ),
        Index(
            "ix_job_chunk_open",
            "practice_id",
            "job_id",
            "first_position",
            postgresql_where=text("state = 'open'"),
        ),
    )

    practice_id: Mapped[PracticeId]
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    first_position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    last_position: Mapped[BigInt]
    state: Mapped[ChunkState] = mapped_column(enum_column(ChunkState, "chunk_state_known"), default=ChunkState.OPEN)
    attempts: Mapped[int] = mapped_column(default=0)  # times that a worker took the chunk and did not finish it
    busy_tries: Mapped[int] = mapped_column(default=0)  # times that another user or process had locked a claim
    not_before: Mapped[dt.datetime | None]
    taken_at: Mapped[dt.datetime | None]
    taken_by: Mapped[str | None]
    done_at: Mapped[dt.datetime | None]
    settled: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    insurance_cents: Mapped[Cents] = mapped_column(default=0)  # written off
    patient_cents: Mapped[Cents] = mapped_column(default=0)
    # Accounts receivable of its settled claims, before and after, summed in the transaction that settled them.
    insurance_before_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")
    patient_before_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")
    insurance_after_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")
    patient_after_cents: Mapped[Cents] = mapped_column(default=0, server_default="0")


class JobItem(Base):
    """One claim in a job: what the preview promised, then the outcome. Items keep their position."""

    __table_args__ = (
        # No foreign keys: items come from one INSERT … SELECT over claim, and a check for each of a million rows would
        # lock and dirty a million claims at the preview. `core.books.invariants` compares instead.
        CheckConstraint(
            "(verdict = 'settle') OR (verdict_code IS NOT NULL)",
            name="a_skip_has_a_code",
        ),
        CheckConstraint(
            "outcome IS NULL OR outcome = 'settled' OR code IS NOT NULL",
            name="what_is_not_settled_has_a_code",
        ),
        CheckConstraint(
            "outcome IS DISTINCT FROM 'settled' OR version_after IS NOT NULL",
            name="a_settled_item_has_its_new_version",
        ),
        CheckConstraint(
            "insurance_cents >= 0 AND patient_cents >= 0",
            name="expected_write_offs_not_negative",
        ),
        Index(
            "one_item_for_each_claim_of_a_job",
            "practice_id",
            "claim_id",
            "job_id",
            unique=True,
        ),
        FILL_FACTOR,
    )

    practice_id: Mapped[PracticeId]
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    claim_id: Mapped[BigInt]
    claim_version: Mapped[int]  # at the preview
    billing_status_before: Mapped[Str]
    settles_insurance: Mapped[bool]
    settles_patient: Mapped[bool]
    insurance_cents: Mapped[Cents]  # to be written off
    patient_cents: Mapped[Cents]
    verdict: Mapped[Verdict] = mapped_column(enum_column(Verdict, "verdict_known"))
    verdict_code: Mapped[str | None]  # why it is skipped, or why only its status changes
    outcome: Mapped[Outcome | None] = mapped_column(enum_column(Outcome, "outcome_known"))
    code: Mapped[str | None]
    version_after: Mapped[int | None]
    why: Mapped[dict[str, Any] | None]  # for a skip: the facts that the rule used, by name; amounts in cents


class JobFailure(Base):
    """A failure that was retried. The newest failure is on the item itself."""

    practice_id: Mapped[PracticeId]
    job_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    attempt: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    code: Mapped[Str]
    retried_at: Mapped[Timestamp]


def is_reserved(item: Any = JobItem) -> ColumnElement[bool]:
    """Return, as SQL, whether a job has reserved the item's claim: selected to settle, not yet processed."""
    return and_(item.verdict == Verdict.SETTLE, item.outcome.is_(None))

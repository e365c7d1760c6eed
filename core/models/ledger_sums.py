"""Sums of the ledger for the write-offs report. The database adds them in the transaction that posts."""

import datetime as dt

from sqlalchemy import ARRAY, BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from core.db.base import Base, GeneratedId, PracticeId, enum_column
from core.enums.ledger_sums import SumKind


class LedgerSum(Base):
    """A part of the sums of one month, kind and job, by payer and provider. The sums are those of all rows.

    Each row stands for one statement or chunk. Its four arrays have the same length: the payers and providers, and
    what is summed for each. A trigger on `posting` adds the rows. A chunk adds its own, because that costs less, and
    tells the trigger in `settle.sums`. A finished job's rows are combined. Another trigger moves the sums of a claim
    whose payer or provider changes.
    """

    practice_id: Mapped[PracticeId]
    month: Mapped[dt.date] = mapped_column(primary_key=True)  # of the posting date
    id: Mapped[GeneratedId]
    kind: Mapped[SumKind] = mapped_column(enum_column(SumKind, "ledger_sum_kind_known"))
    job_id: Mapped[int | None] = mapped_column(BigInteger)  # the job that posted the write-off; None for charges
    payer_ids: Mapped[list[int | None]] = mapped_column(ARRAY(BigInteger))  # the claims' primary payers
    provider_ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))  # the claims' billing providers
    insurance_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    patient_cents: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))

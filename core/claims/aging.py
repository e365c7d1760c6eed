"""Age the balances of claims by days since the date of service, by responsibility and payer, as an A/R aging does."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from core.claims import table_files
from core.claims.age_buckets import BUCKETS, bucket_of
from core.claims.export import Cell
from core.claims.table_files import Table
from core.db.sums import sum_cents
from core.enums.claims import AgeBasis
from core.enums.ledger import Responsibility
from core.enums.practices import SELF_PAY
from core.models.claims import Claim
from core.models.practices import Payer

COLUMN_HEADINGS: Final = (
    "Responsibility", "Payer", "Payer ID", *(f"{bucket.label} days" for bucket in BUCKETS),
    "Total owed", "Credit balances", "Net A/R",
)  # fmt: skip


class Sum(NamedTuple):
    """The claims with a balance, and its sum in cents."""

    claims: int = 0
    cents: int = 0


@dataclass(frozen=True)
class AgingRow:
    """The balances of one responsibility and one primary payer. Self-pay claims have no payer."""

    payer_id: str | None
    payer: str | None
    owed: tuple[Sum, ...]  # by bucket: balances above zero
    credits: Sum  # balances below zero, in negative cents

    @property
    def total(self) -> Sum:
        """Return what is owed, at any age."""
        return _total(self.owed)

    @property
    def net_cents(self) -> int:
        """Return what is owed less the credit balances."""
        return self.total.cents + self.credits.cents


@dataclass(frozen=True)
class Aging:
    """The rows of each responsibility, the largest first, and its totals."""

    rows: dict[Responsibility, list[AgingRow]]
    totals: dict[Responsibility, AgingRow]

    @property
    def all(self) -> AgingRow:
        """Return the totals of both responsibilities. A claim with both balances counts twice."""
        return _sum_rows(list(self.totals.values()))


def aging(session: Session, practice_id: int, *, today: dt.date) -> Aging:
    """Return the A/R aging on `today` in the practice's time zone. It reads each claim once."""
    dues = {Responsibility.INSURANCE: Claim.insurance_due, Responsibility.PATIENT: Claim.patient_due}
    columns = [
        column
        for due in dues.values()
        for where in (due > 0, due < 0)
        for column in (func.count().filter(where), sum_cents(due, where))
    ]
    labeled = [column.label(f"c{n}") for n, column in enumerate(columns)]
    bucket = bucket_of(today, AgeBasis.SERVICE).label("bucket")
    sums = (
        select(Claim.primary_payer_id.label("payer_id"), bucket, *labeled)
        .where(Claim.practice_id == practice_id, or_(*(due != 0 for due in dues.values())))
        .group_by(Claim.primary_payer_id, bucket)
        .subquery("sums")
    )
    of_payer = and_(Payer.practice_id == practice_id, Payer.id == sums.c.payer_id)
    named = select(Payer.external_id, Payer.name, *list(sums.c)[1:]).select_from(sums.outerjoin(Payer, of_payer))
    found = [tuple(row) for row in session.execute(named)]
    rows = {side: _rows(found, place) for place, side in enumerate(dues)}
    return Aging(rows, {side: _sum_rows(of) for side, of in rows.items()})


def file(found: Aging, form: str) -> Iterator[str] | Iterator[bytes]:
    """Yield the aging as `csv` or `xlsx`, in pieces."""
    rows = ([side.value, *_cells(row)] for side, of in found.rows.items() for row in of)
    return table_files.table_file(Table(COLUMN_HEADINGS, rows), form)


def _cells(row: AgingRow) -> list[Cell]:
    amounts = [*(one.cents for one in row.owed), row.total.cents, row.credits.cents, row.net_cents]
    return [row.payer or SELF_PAY, row.payer_id or "", *amounts]


def _rows(found: list[tuple[Any, ...]], place: int) -> list[AgingRow]:
    """Return the rows of a responsibility from a row for each payer and bucket. Payers without a balance are left out.

    `place` is that of the responsibility among the columns: count and sum of what is owed, and of the credits.
    """
    owed: dict[tuple[str | None, str | None], dict[str, Sum]] = defaultdict(dict)
    credits_: dict[tuple[str | None, str | None], list[Sum]] = defaultdict(list)
    for payer_id, payer, bucket, *sums in found:
        of_side = sums[4 * place : 4 * place + 4]
        owed[payer_id, payer][bucket] = Sum(*of_side[:2])
        credits_[payer_id, payer].append(Sum(*of_side[2:]))
    rows = [
        AgingRow(*who, tuple(of.get(bucket.key, Sum()) for bucket in BUCKETS), _total(credits_[who]))
        for who, of in owed.items()
    ]
    with_balance = [row for row in rows if row.total.claims or row.credits.claims]
    return sorted(with_balance, key=lambda row: (-row.total.cents, row.payer or "", row.payer_id or ""))


def _sum_rows(rows: list[AgingRow]) -> AgingRow:
    owed = tuple(_total([row.owed[n] for row in rows]) for n in range(len(BUCKETS)))
    return AgingRow(None, None, owed, _total([row.credits for row in rows]))


def _total(sums: Sequence[Sum]) -> Sum:
    return Sum(sum(one.claims for one in sums), sum(one.cents for one in sums))

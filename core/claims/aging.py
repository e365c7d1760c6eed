"""Age the balances of claims by days since the date of service, by responsibility and payer, as an A/R aging does."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from core.claims import table_files
from core.claims.age_buckets import BUCKETS
from core.claims.table_files import Cell, Table
from core.db.sums import sum_cents
from core.models.claims import Claim
from core.models.ledger import Responsibility
from core.models.practices import SELF_PAY, Payer

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
    sides: dict[Responsibility, ColumnElement[int]] = {
        Responsibility.INSURANCE: Claim.insurance_due.expression,
        Responsibility.PATIENT: Claim.patient_due.expression,
    }
    columns = [
        column for due in sides.values() for where in _conditions(due, today) for column in _count_and_sum(due, where)
    ]
    sums = (
        select(Claim.primary_payer_id.label("payer_id"), *(c.label(f"c{n}") for n, c in enumerate(columns)))
        .where(Claim.practice_id == practice_id)
        .group_by(Claim.primary_payer_id)
        .subquery("sums")
    )
    named = select(Payer.external_id, Payer.name, *(sums.c[f"c{n}"] for n in range(len(columns)))).select_from(
        sums.outerjoin(Payer, and_(Payer.practice_id == practice_id, Payer.id == sums.c.payer_id))
    )
    found = [tuple(row) for row in session.execute(named)]
    rows = {side: _rows(found, place) for place, side in enumerate(sides)}
    return Aging(rows, {side: _sum_rows(of) for side, of in rows.items()})


def file(found: Aging, form: str) -> Iterator[str] | Iterator[bytes]:
    """Yield the aging as `csv` or `xlsx`, in pieces."""
    rows = ([side.value, *_cells(row)] for side, of in found.rows.items() for row in of)
    return table_files.table_file(Table(COLUMN_HEADINGS, rows), form)


def _cells(row: AgingRow) -> list[Cell]:
    amounts = [*(one.cents for one in row.owed), row.total.cents, row.credits.cents, row.net_cents]
    return [row.payer or SELF_PAY, row.payer_id or "", *amounts]


def _conditions(due: ColumnElement[int], today: dt.date) -> Iterator[ColumnElement[bool]]:
    """Yield the condition of each bucket, and of the credits."""
    for bucket in BUCKETS:
        yield and_(due > 0, bucket.contains(today))
    yield due < 0


def _count_and_sum(due: ColumnElement[int], where: ColumnElement[bool]) -> tuple[ColumnElement[int], ...]:
    return func.count().filter(where), sum_cents(due, where)


def _rows(found: list[tuple[Any, ...]], place: int) -> list[AgingRow]:
    """Return the rows of a responsibility. Payers without a balance are left out."""
    width = 2 * (len(BUCKETS) + 1)
    rows = []
    for payer_id, payer, *sums in found:
        of_side = sums[place * width : (place + 1) * width]
        *owed, credits_ = (Sum(*of_side[n : n + 2]) for n in range(0, width, 2))
        if any(one.claims for one in (*owed, credits_)):
            rows.append(AgingRow(payer_id, payer, tuple(owed), credits_))
    return sorted(rows, key=lambda row: (-row.total.cents, row.payer or "", row.payer_id or ""))


def _sum_rows(rows: list[AgingRow]) -> AgingRow:
    owed = tuple(_total([row.owed[n] for row in rows]) for n in range(len(BUCKETS)))
    return AgingRow(None, None, owed, _total([row.credits for row in rows]))


def _total(sums: Sequence[Sum]) -> Sum:
    return Sum(sum(one.claims for one in sums), sum(one.cents for one in sums))

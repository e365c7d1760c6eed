"""The write-offs report: what was written off, why and by whom, and how much of it was reversed or recovered.

It reads the ledger's sums, not its postings. Reversals and later payments stand in the month of their own posting date,
with the reason and the user of the write-off that they reverse.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from core import calendar_months
from core.books.write_off_groups import ID_COLUMNS, Asked, Value, month_value, sums_query, value_of
from core.claims import table_files
from core.claims.export import Cell
from core.claims.table_files import Table
from core.enums.ledger_sums import SumKind
from core.enums.write_off_report import DIMENSION_NAMES, Dimension
from core.money import format_rate, round_quotient

CHARGES_HEADINGS: Final = ("Charges", "Net % of charges")
_COLUMN_HEADINGS: Final = (
    "Written off", "Insurance", "Patient", "Reversed", "Recovered", "Adjusted later", "Net written off",
    *CHARGES_HEADINGS,
)  # fmt: skip


@dataclass
class Amounts:
    """Cents of one row. Written off − reversed − recovered − adjusted later = net."""

    insurance_cents: int = 0  # written off
    patient_cents: int = 0
    reversed_cents: int = 0  # by reversals of jobs
    recovered_cents: int = 0  # by payments after the write-off
    replaced_cents: int = 0  # by adjustments and transfers after the write-off
    charges_cents: int | None = 0  # of the same months, payers and providers; None for a group by reason or user

    @property
    def written_off_cents(self) -> int:
        """Return what jobs wrote off."""
        return self.insurance_cents + self.patient_cents

    @property
    def back_cents(self) -> int:
        """Return what was reversed, recovered or adjusted later."""
        return self.reversed_cents + self.recovered_cents + self.replaced_cents

    @property
    def net_cents(self) -> int:
        """Return what is left of it. It is negative if more was reversed than written off."""
        return self.written_off_cents - self.back_cents

    @property
    def rate_basis_points(self) -> int | None:
        """Return the net as hundredths of a percent of the charges, or None without charges."""
        charges = self.charges_cents or 0
        return round_quotient(self.net_cents * 10_000, charges) if charges > 0 else None

    def add(self, kind: SumKind, insurance_cents: int, patient_cents: int) -> None:
        """Add a sum of the ledger."""
        cents = insurance_cents + patient_cents
        match kind:
            case SumKind.WRITE_OFF:
                self.insurance_cents += insurance_cents
                self.patient_cents += patient_cents
            case SumKind.REVERSAL:
                self.reversed_cents += cents
            case SumKind.RECOVERY:
                self.recovered_cents += cents
            case SumKind.REPLACEMENT:
                self.replaced_cents += cents
            case SumKind.CHARGE:
                self.charges_cents = (self.charges_cents or 0) + cents


@dataclass(frozen=True)
class ReportRow:
    """The amounts of one group."""

    values: dict[Dimension, Value]
    amounts: Amounts = field(default_factory=Amounts)


@dataclass(frozen=True)
class Report:
    """The groups, newest month and largest write-offs first, all months of the range in order, and the totals."""

    asked: Asked
    rows: list[ReportRow]
    months: list[ReportRow]
    total: Amounts


def report(session: Session, practice_id: int, asked: Asked) -> Report:
    """Return the report."""
    session.execute(text("SELECT set_config('jit', 'off', true)"))
    rows = session.execute(sums_query(practice_id, asked)).all()
    groups: dict[tuple[Value, ...], ReportRow] = {}
    months = {month: ReportRow({Dimension.MONTH: month_value(month)}) for month in _months(asked)}
    total = Amounts()
    no_charges = 0 if asked.has_charges else None
    known: dict[tuple[Dimension, Any], Value] = {}
    for row in rows:
        added = (SumKind(row.kind), int(row.insurance_cents), int(row.patient_cents))
        total.add(*added)
        months[row.month].amounts.add(*added)
        values = {dimension: _known_value(known, dimension, row) for dimension in asked.by}
        if asked.has_charges or added[0] is not SumKind.CHARGE:
            group = groups.setdefault(tuple(values.values()), ReportRow(values, Amounts(charges_cents=no_charges)))
            group.amounts.add(*added)
    return Report(asked, sorted(groups.values(), key=_order), [*months.values()], total)


def _known_value(known: dict[tuple[Dimension, Any], Value], dimension: Dimension, row: Any) -> Value:
    """Return the value of the row, the same object for the same id."""
    # With an object for each cell, the garbage collector would take most of the time of a large report.
    key = dimension, getattr(row, ID_COLUMNS[dimension])
    found = known.get(key)
    if found is None:
        found = known[key] = value_of(dimension, row)
    return found


def group_names(session: Session, practice_id: int, asked: Asked, group: dict[Dimension, str]) -> dict[Dimension, str]:
    """Return the name of each code in the group, or the code itself if the report has no such group."""
    rows = report(session, practice_id, Asked(asked.first, asked.last, tuple(group))).rows if group else []
    names = {(one, value.code): value.name for row in rows for one, value in row.values.items()}
    return {one: names.get((one, code), code) for one, code in group.items()}


def _months(asked: Asked) -> Iterator[dt.date]:
    month = asked.first
    while month <= asked.last:
        yield month
        month = calendar_months.next_month(month)


def _order(row: ReportRow) -> tuple[Any, ...]:
    month = row.values.get(Dimension.MONTH)
    newest_first = -int(month.code.replace("-", "")) if month else 0
    names = tuple(value.name.casefold() for value in row.values.values())
    return newest_first, -row.amounts.written_off_cents, names


def file(found: Report, form: str) -> Iterator[str] | Iterator[bytes]:
    """Yield the report as `csv` or `xlsx`, in pieces."""
    head = [*(DIMENSION_NAMES[dimension] for dimension in found.asked.by), *_COLUMN_HEADINGS]
    rows = _file_rows(found.rows)
    if not found.asked.has_charges:
        head, rows = head[: -len(CHARGES_HEADINGS)], (row[: -len(CHARGES_HEADINGS)] for row in rows)
    return table_files.table_file(Table(head, rows), form)


def _file_rows(rows: Iterable[ReportRow]) -> Iterator[list[Cell]]:
    for row in rows:
        one = row.amounts
        yield [
            *(_file_cell(dimension, value) for dimension, value in row.values.items()),
            one.written_off_cents, one.insurance_cents, one.patient_cents, one.reversed_cents, one.recovered_cents,
            one.replaced_cents, one.net_cents, one.charges_cents or 0, format_rate(one.net_cents, one.charges_cents),
        ]  # fmt: skip


def _file_cell(dimension: Dimension, value: Value) -> Cell:
    return calendar_months.parse_month(value.code) if dimension is Dimension.MONTH else value.name

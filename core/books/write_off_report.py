"""The write-offs report: what was written off, why and by whom, and how much of it was reversed or recovered.

It reads the ledger's sums, not its postings. Reversals and later payments stand in the month of their own posting date,
with the reason and the user of the write-off that they reverse.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.orm import Session

from core.claims import table_files
from core.claims.table_files import Cell, Table
from core.db.sums import sum_cents
from core.models.jobs import SettleJob
from core.models.ledger import REASON_NAMES
from core.models.ledger_sums import LedgerSum, SumKind
from core.models.people import User
from core.models.practices import PAYER_CLASS_NAMES, SELF_PAY, Payer, PayerClass, Provider
from core.models.schedules import Schedule
from core.practices import periods

MONTHS_DEFAULT: Final = 12
_NONE: Final = "none"
_NO_NAME: Final = "–"


class Dimension(StrEnum):
    """What the report can be grouped by, in the order of its columns."""

    MONTH = "month"
    REASON = "reason"
    PAYER_CLASS = "payer_class"
    PAYER = "payer"
    PROVIDER = "provider"
    PERSON = "person"


DIMENSION_NAMES: Final = {
    Dimension.MONTH: "Month",
    Dimension.REASON: "Reason",
    Dimension.PAYER_CLASS: "Payer class",
    Dimension.PAYER: "Payer",
    Dimension.PROVIDER: "Provider",
    Dimension.PERSON: "Written off by",
}
BY_DEFAULT: Final = (Dimension.MONTH, Dimension.REASON)
_OF_CHARGES: Final = frozenset({Dimension.MONTH, Dimension.PAYER_CLASS, Dimension.PAYER, Dimension.PROVIDER})
_COLUMN_HEADINGS: Final = (
    "Written off", "Insurance", "Patient", "Reversed", "Recovered", "Adjusted later", "Net written off",
    "Charges", "Rate",
)  # fmt: skip


class Value(NamedTuple):
    """A value of a dimension: the code in addresses, and its name."""

    code: str
    name: str


@dataclass
class Amounts:
    """Cents of one row. Written off − reversed − recovered − adjusted later = net."""

    insurance_cents: int = 0  # written off
    patient_cents: int = 0
    reversed_cents: int = 0  # by reversals of jobs
    recovered_cents: int = 0  # by payments after the write-off
    replaced_cents: int = 0  # by adjustments and transfers after the write-off
    charges_cents: int = 0  # of the same months, payers and providers

    @property
    def written_off_cents(self) -> int:
        """Return what jobs wrote off."""
        return self.insurance_cents + self.patient_cents

    @property
    def net_cents(self) -> int:
        """Return what is left of it. It is negative if more was reversed than written off."""
        return self.written_off_cents - self.reversed_cents - self.recovered_cents - self.replaced_cents

    @property
    def rate_basis_points(self) -> int | None:
        """Return the net as hundredths of a percent of the charges, or None without charges."""
        return round(self.net_cents * 10_000 / self.charges_cents) if self.charges_cents > 0 else None

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
                self.charges_cents += cents


@dataclass(frozen=True)
class Asked:
    """The months of the report, both inclusive, and what it is grouped by."""

    first: dt.date
    last: dt.date
    by: tuple[Dimension, ...] = BY_DEFAULT


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


def reason_name() -> ColumnElement[str]:
    """Return, as SQL, the reason's name at the preview of the job `SettleJob`, or "No reason"."""
    built_in = case({reason.value: name for reason, name in REASON_NAMES.items()}, value=cast(SettleJob.reason, String))
    name = func.nullif(SettleJob.practice_reason["name"].astext, "")
    return func.coalesce(name, built_in, literal("No reason"))


def person_code() -> ColumnElement[str]:
    """Return, as SQL, who confirmed the job `SettleJob`: a schedule or a user."""
    return case(
        (SettleJob.schedule_id.is_not(None), func.concat("schedule-", SettleJob.schedule_id)),
        (SettleJob.confirmed_by.is_not(None), func.concat("user-", SettleJob.confirmed_by)),
        else_=literal(_NONE),
    )


def report(session: Session, practice_id: int, asked: Asked) -> Report:
    """Return the report."""
    session.execute(text("SELECT set_config('jit', 'off', true)"))
    rows = session.execute(_query(practice_id, asked)).all()
    groups: dict[tuple[Value, ...], ReportRow] = {}
    months = {month: ReportRow({Dimension.MONTH: _month(month)}) for month in _months(asked)}
    charges: dict[tuple[Value | None, ...], Amounts] = defaultdict(Amounts)
    total = Amounts()
    for row in rows:
        added = (SumKind(row.kind), int(row.insurance_cents), int(row.patient_cents))
        total.add(*added)
        months[row.month].amounts.add(*added)
        values = {dimension: _value(dimension, row) for dimension in asked.by}
        if added[0] is SumKind.CHARGE:
            charges[_charge_key(values)].add(*added)
        else:
            groups.setdefault(tuple(values.values()), ReportRow(values)).amounts.add(*added)
    for group in groups.values():
        group.amounts.charges_cents = charges[_charge_key(group.values)].charges_cents
    return Report(asked, sorted(groups.values(), key=_order), [*months.values()], total)


def _query(practice_id: int, asked: Asked) -> Select[Any]:
    """Return the sums by what is asked for, with the names of each group."""
    names = ("payer_id", "provider_id", "insurance_cents", "patient_cents")
    part = func.unnest(
        LedgerSum.payer_ids, LedgerSum.provider_ids, LedgerSum.insurance_cents, LedgerSum.patient_cents
    ).table_valued(*(column(name, BigInteger) for name in names), name="part")
    by = set(asked.by)
    key: list[Any] = [LedgerSum.month, LedgerSum.kind]
    key += [LedgerSum.job_id] if by & {Dimension.REASON, Dimension.PERSON} else []
    key += [part.c.payer_id] if by & {Dimension.PAYER, Dimension.PAYER_CLASS} else []
    key += [part.c.provider_id] if Dimension.PROVIDER in by else []
    sums = (
        select(*key, *(sum_cents(part.c[name]).label(name) for name in ("insurance_cents", "patient_cents")))
        .join_from(LedgerSum, part, true())
        .where(LedgerSum.practice_id == practice_id, LedgerSum.month.between(asked.first, asked.last))
        .group_by(*key)
        .cte("sums")
    )
    source = select(*sums.c).select_from(sums)
    if "job_id" in sums.c:
        of_job = and_(SettleJob.practice_id == practice_id, SettleJob.id == sums.c.job_id)
        who = (
            reason_name().label("reason"), person_code().label("person_code"), User.name.label("user"),
            Schedule.name.label("schedule"), SettleJob.schedule_id,
        )  # fmt: skip
        source = (
            source.add_columns(*who)
            .outerjoin(SettleJob, of_job)
            .outerjoin(User, and_(User.practice_id == practice_id, User.id == SettleJob.confirmed_by))
            .outerjoin(Schedule, and_(Schedule.practice_id == practice_id, Schedule.id == SettleJob.schedule_id))
        )
    if "payer_id" in sums.c:
        source = source.add_columns(Payer.external_id.label("payer_code"), Payer.name.label("payer"), Payer.payer_class)
        source = source.outerjoin(Payer, and_(Payer.practice_id == practice_id, Payer.id == sums.c.payer_id))
    if "provider_id" in sums.c:
        source = source.add_columns(Provider.external_id.label("provider_code"), Provider.name.label("provider"))
        source = source.outerjoin(
            Provider, and_(Provider.practice_id == practice_id, Provider.id == sums.c.provider_id)
        )
    return source


def _value(dimension: Dimension, row: Any) -> Value:
    match dimension:
        case Dimension.MONTH:
            return _month(row.month)
        case Dimension.REASON:
            return Value(row.reason, row.reason)
        case Dimension.PAYER_CLASS:
            payer_class = row.payer_class or PayerClass.SELF_PAY
            return Value(payer_class.value, PAYER_CLASS_NAMES[payer_class])
        case Dimension.PAYER:
            return Value(row.payer_code or "", row.payer or SELF_PAY)
        case Dimension.PROVIDER:
            return Value(row.provider_code or "", row.provider or _NO_NAME)
        case Dimension.PERSON:
            schedule = f"Schedule “{row.schedule}”" if row.schedule else "Schedule"
            return Value(row.person_code, schedule if row.schedule_id is not None else row.user or _NO_NAME)


def _month(month: dt.date) -> Value:
    return Value(periods.format_code(month), f"{month:%B %Y}")


def _months(asked: Asked) -> Iterator[dt.date]:
    month = asked.first
    while month <= asked.last:
        yield month
        month = periods.next_month(month)


def _charge_key(values: dict[Dimension, Value]) -> tuple[Value | None, ...]:
    return tuple(value for dimension, value in values.items() if dimension in _OF_CHARGES)


def _order(row: ReportRow) -> tuple[Any, ...]:
    month = row.values.get(Dimension.MONTH)
    newest_first = -int(month.code.replace("-", "")) if month else 0
    names = tuple(value.name.casefold() for value in row.values.values())
    return newest_first, -row.amounts.written_off_cents, names


def format_rate(basis_points: int | None) -> str:
    """Return the rate as a percentage with one decimal, rounded, or a dash."""
    if basis_points is None:
        return "–"
    tenths = (abs(basis_points) + 5) // 10
    return f"{'-' if basis_points < 0 and tenths else ''}{tenths // 10}.{tenths % 10}%"


def file(found: Report, form: str) -> Iterator[str] | Iterator[bytes]:
    """Yield the report as `csv` or `xlsx`, in pieces."""
    head = [*(DIMENSION_NAMES[dimension] for dimension in found.asked.by), *_COLUMN_HEADINGS]
    # The charges of a month repeat in each of its rows.
    return table_files.table_file(Table(head, _file_rows(found.rows), unsummed={"Charges"}), form)


def _file_rows(rows: Iterable[ReportRow]) -> Iterator[list[Cell]]:
    for row in rows:
        one = row.amounts
        yield [
            *(_file_cell(dimension, value) for dimension, value in row.values.items()),
            one.written_off_cents, one.insurance_cents, one.patient_cents, one.reversed_cents, one.recovered_cents,
            one.replaced_cents, one.net_cents, one.charges_cents, format_rate(one.rate_basis_points),
        ]  # fmt: skip


def _file_cell(dimension: Dimension, value: Value) -> Cell:
    return periods.parse_month(value.code) if dimension is Dimension.MONTH else value.name

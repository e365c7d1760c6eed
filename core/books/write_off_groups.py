"""What the write-offs report is grouped by, and the query of its sums."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    String,
    and_,
    case,
    cast,
    column,
    func,
    literal,
    select,
    true,
)

from core import calendar_months
from core.db.sums import sum_cents
from core.enums.ledger import REASON_NAMES
from core.enums.practices import PAYER_CLASS_NAMES, SELF_PAY, PayerClass
from core.enums.write_off_report import Dimension
from core.models.jobs import SettleJob
from core.models.ledger_sums import LedgerSum
from core.models.people import User
from core.models.practices import Payer, Provider
from core.models.schedules import Schedule

_NONE: Final = "none"
_NO_NAME: Final = "–"


# The column of `sums_query` that determines the value.
ID_COLUMNS: Final = {
    Dimension.MONTH: "month",
    Dimension.REASON: "job_id",
    Dimension.PAYER_CLASS: "payer_id",
    Dimension.PAYER: "payer_id",
    Dimension.PROVIDER: "provider_id",
    Dimension.PERSON: "job_id",
}
BY_DEFAULT: Final = (Dimension.MONTH, Dimension.REASON)
OF_CHARGES: Final = frozenset({Dimension.MONTH, Dimension.PAYER_CLASS, Dimension.PAYER, Dimension.PROVIDER})


class Value(NamedTuple):
    """A value of a dimension: the code in addresses, and its name."""

    code: str
    name: str


@dataclass(frozen=True)
class Asked:
    """The months of the report, both inclusive, and what it is grouped by."""

    first: dt.date
    last: dt.date
    by: tuple[Dimension, ...] = BY_DEFAULT

    @property
    def has_charges(self) -> bool:
        """Return whether each group has charges of its own. A charge has no reason and no user who wrote it off."""
        return OF_CHARGES.issuperset(self.by)


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


def sums_query(practice_id: int, asked: Asked) -> Select[Any]:
    """Return the sums by what is asked for, with the names of each group."""
    names = ("payer_id", "provider_id", "insurance_cents", "patient_cents")
    part = (
        func.unnest(LedgerSum.payer_ids, LedgerSum.provider_ids, LedgerSum.insurance_cents, LedgerSum.patient_cents)
        .table_valued(*(column(name, BigInteger) for name in names), name="part")
        .render_derived()
    )
    by = set(asked.by)
    key: list[Any] = [LedgerSum.month, LedgerSum.kind]
    jobs = _alike_jobs(practice_id, by)
    key += [] if jobs is None else [jobs.c.first.label("job_id")]
    key += [part.c.payer_id] if by & {Dimension.PAYER, Dimension.PAYER_CLASS} else []
    key += [part.c.provider_id] if Dimension.PROVIDER in by else []
    summed: FromClause = LedgerSum.__table__
    if jobs is not None:
        summed = summed.outerjoin(jobs, jobs.c.id == LedgerSum.job_id)
    sums = (
        select(*key, *(sum_cents(part.c[name]).label(name) for name in ("insurance_cents", "patient_cents")))
        .select_from(summed.join(part, true()))
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


def _alike_jobs(practice_id: int, by: Collection[Dimension]) -> CTE | None:
    """Return each job with the first job that the report shows with the same names, or None without such names.

    Summed by job, a practice with a thousand jobs would get hundreds of thousands of rows.
    """
    shown = {Dimension.REASON: reason_name(), Dimension.PERSON: person_code()}
    alike = [name for dimension, name in shown.items() if dimension in by]
    if not alike:
        return None
    first = func.min(SettleJob.id).over(partition_by=alike).label("first")
    return select(SettleJob.id, first).where(SettleJob.practice_id == practice_id).cte("alike")


def value_of(dimension: Dimension, row: Any) -> Value:
    """Return the value of a row of `sums_query`."""
    match dimension:
        case Dimension.MONTH:
            return month_value(row.month)
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


def month_value(month: dt.date) -> Value:
    """Return the month as a value."""
    return Value(calendar_months.format_code(month), f"{month:%B %Y}")

"""Checks that need all rows staged. One statement finds out which have faults. Each then reads its first faulty rows.

The statements are built once, because building them took longer than the checks of a small file.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Row, Select, Table, bindparam, case, func, literal, select
from sqlalchemy.orm import Session

from core.enums.ledger import PostingKind
from core.intake.parsing.faults import PLACES_MAX, Fault, FaultKind, Faults

_READ_AT_ONCE: Final = 1_000  # rows
PRACTICE_ID: Final = bindparam("practice_id", type_=BigInteger)


@dataclass(frozen=True)
class Origin:
    """The file that a stage was read from, and its column names if they differ from the stage's."""

    file: str
    columns: Mapping[str, str] = field(default_factory=dict)
    charges: "Origin | None" = None  # the file of charge postings, if it is a different file

    def place(self, at: int) -> tuple[str, int]:
        """Return the file and the line of a staged row."""
        return self.file, at

    def fault(
        self,
        row: Any,
        column: str | None,
        value: str | None,
        cure: str,
        *,
        kind: FaultKind = FaultKind.REFERENCE,
        note: str | None = None,
    ) -> Fault:
        """Return a fault for the staged row, which has `at` and, if it is a posting, may have `kind`."""
        if self.charges is not None and getattr(row, "kind", None) == PostingKind.CHARGE:
            return self.charges.fault(row, column, value, cure, kind=kind, note=note)
        name = None if column is None else self.columns.get(column, column)
        return Fault(self.file, cure, line=row.at, column=name, value=value, note=note, kind=kind)


Origins = Mapping[Table, Origin]


@dataclass(frozen=True)
class Check:
    """A check of a stage: whether it has faulty rows, in SQL, and the function that adds their faults."""

    stage: Table
    is_faulty: ColumnElement[bool]
    report: Callable[[Session, int, Origins, Faults], None]


def run_checks(session: Session, practice_id: int, checks: tuple[Check, ...], origins: Origins, faults: Faults) -> None:
    """Run the checks of the staged files. One statement finds out which of them have faults to report."""
    staged = tuple(check for check in checks if check.stage in origins)
    found = session.execute(_faulty(staged), {PRACTICE_ID.key: practice_id}).one()
    for is_faulty, check in zip(found, staged, strict=True):
        if is_faulty:
            check.report(session, practice_id, origins, faults)


@cache
def _faulty(checks: tuple[Check, ...]) -> Select[Any]:
    columns: list[Any] = [check.is_faulty.label(f"check_{number}") for number, check in enumerate(checks)]
    return select(*columns)


def has_rows(rows: Select[Any]) -> ColumnElement[bool]:
    """Return whether the query has rows, in SQL."""
    counted = rows.with_only_columns(literal(1).label("one"), maintain_column_froms=True)
    # Not EXISTS: the planner would expect the first row soon, and compare each row with all others.
    return select(func.count() > 0).select_from(counted.subquery()).scalar_subquery()


def first_faulty_rows(
    session: Session, rows: Select[Any], *alike: str, faults: Faults, practice_id: int | None = None
) -> Iterator[Row[Any]]:
    """Yield the first rows by `at` for each value of `alike`. The first has the count in `times`. The others have 0.

    All rows are yielded if `faults` lists every place. `practice_id` is the parameter of a query that is built once.
    """
    given = {} if practice_id is None else {PRACTICE_ID.key: practice_id}
    found = rows.subquery("found")
    columns = [found.c[name] for name in alike]
    nth = func.row_number().over(partition_by=columns, order_by=found.c.at)
    counted = select(found, nth.label("nth"), func.count().over(partition_by=columns).label("all")).subquery("counted")
    times = case((counted.c.nth == 1, counted.c.all), else_=0).label("times")
    ordered = select(counted, times).order_by(counted.c.at, counted.c.nth)
    if faults.lists_every_place:
        yield from session.execute(ordered, given, execution_options={"yield_per": _READ_AT_ONCE})
    else:
        yield from session.execute(ordered.where(counted.c.nth <= PLACES_MAX), given).all()

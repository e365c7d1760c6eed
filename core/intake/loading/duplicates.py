"""Rows of a file with the same key: a file that was appended twice, or two records with one id."""

from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from core.enums.ledger import PostingKind
from core.intake.loading import stages
from core.intake.loading.checks import Check, Origin, Origins, first_faulty_rows, has_rows
from core.intake.parsing.faults import Faults, quote_value

_SAME_ROW: Final = "remove the duplicate row: every imported column is the same"
_OTHER_VALUES: Final = "another row has the same ID but a different {fields}; correct the wrong row"
_FIELD_WORDS: Final = {"birth_date": "date of birth", "payer_class": "class"}
_OTHER_ROW: Final = {
    stages.CLAIM: "another claim has the same ID, so rows that refer to it are ambiguous; give each claim its own ID",
    stages.MAPPED_ROW: (
        "another row has the same claim ID; give each claim its own ID, or set the mapping to one row for each "
        "service line"
    ),
    stages.CHARGED_LINE: "another line on the claim has the same number; give each line its own number",
    stages.POSTING: "another posting has the same ID; give each posting its own ID",
    stages.SYNTHEA_ROW: "another transaction on the claim has the same number, so their order is unknown; "
    "export the files again",
}


def add_duplicates(session: Session, stage: Table, key: tuple[str, ...], origin: Origin, faults: Faults) -> None:
    """Add a fault for each staged row whose key is already in the file: an equal row or a different one.

    The fix is never to drop a row that differs, because its amount would be lost.
    """
    if session.scalar(select(_repeats(stage, key))):
        _add_duplicates(session, _duplicates(stage, key), stage, key, origin, faults)


def duplicates_check(stage: Table, key: tuple[str, ...], *, with_charges: bool = True) -> Check:
    """Return the check for duplicates. Without charges, it leaves out two charges with the same id."""
    rows = _duplicates(stage, key, with_charges=with_charges)

    def report(session: Session, _: int, origins: Origins, faults: Faults) -> None:
        _add_duplicates(session, rows, stage, key, origins[stage], faults)

    return Check(stage, _repeats(stage, key), report)


def _repeats(stage: Table, key: tuple[str, ...]) -> ColumnElement[bool]:
    """Return whether a key occurs more than once, in SQL. This takes half as long as finding the rows."""
    columns = [stage.c[name] for name in key]
    if len(columns) > 1:
        filled = select(*columns).where(*(column.is_not(None) for column in columns))
        return has_rows(filled.group_by(*columns).having(func.count() > 1))
    return select(func.count(*columns) > func.count(columns[0].distinct())).scalar_subquery()


@cache
def _duplicates(stage: Table, key: tuple[str, ...], *, with_charges: bool = True) -> Select[Any]:
    columns = [stage.c[name] for name in key]
    occurrence = func.row_number().over(partition_by=columns, order_by=stage.c.at).label("occurrence")
    first_at = func.min(stage.c.at).over(partition_by=columns).label("first_at")
    keyed = select(stage.c.at, first_at, occurrence, *columns).where(*(column.is_not(None) for column in columns))
    repeated = keyed.subquery("repeated")
    again, first = stage.alias("again"), stage.alias("first")
    read = _columns_of_file(stage)
    is_equal = tuple_(*(again.c[n] for n in read)).is_not_distinct_from(tuple_(*(first.c[n] for n in read)))
    fields = _compared_fields(stage, key)
    differ = (case((again.c[name].is_distinct_from(first.c[name]), literal(name))) for name in fields)
    differing = func.concat_ws(" ", cast(null(), Text), *differ).label("differing")
    places = ((again, "here"), (first, "there"))
    both = (one.c[name].label(f"{name}_{where}") for name in fields for one, where in places)
    rows = (
        select(repeated, is_equal.label("is_equal"), differing, *both)
        .join(again, and_(again.c.at == repeated.c.at, *(again.c[n] == repeated.c[n] for n in key)))
        .join(first, and_(first.c.at == repeated.c.first_at, *(first.c[n] == repeated.c[n] for n in key)))
        .where(repeated.c.occurrence > 1)
    )
    if not with_charges:
        rows = rows.where(or_(*(one.c.kind.is_distinct_from(PostingKind.CHARGE.value) for one, _ in places)))
    return rows


def _add_duplicates(
    session: Session, rows: Select[Any], stage: Table, key: tuple[str, ...], origin: Origin, faults: Faults
) -> None:
    for row in first_faulty_rows(session, rows, "is_equal", "differing", faults=faults):
        value = " / ".join(str(row._mapping[name]) for name in key)
        names = row.differing.split()
        cure = _SAME_ROW if row.is_equal else _OTHER_ROW.get(stage) or _describe_contradiction(stage, names)
        where = f"{'same as' if row.is_equal else 'also in'} line {row.first_at}"
        note = "; ".join([where, *_both_values(stage, row, names)])
        faults.add(origin.fault(row, key[-1], value, cure, note=note), times=row.times)


def _columns_of_file(stage: Table) -> list[str]:
    return [column.name for column in stage.c if column.name != "at" and column.server_default is None]


def _compared_fields(stage: Table, key: tuple[str, ...]) -> list[str]:
    """Return the fields that the fault names, with both values, if they differ."""
    return [] if stage in _OTHER_ROW else [name for name in _columns_of_file(stage) if name not in key]


def _describe_contradiction(stage: Table, names: list[str]) -> str:
    words = " and ".join(_FIELD_WORDS.get(name, name) for name in names)
    return _OTHER_VALUES.format(fields=f"{stages.record_of(stage)} {words}")


def _both_values(stage: Table, row: Row[Any], names: list[str]) -> list[str]:
    """Return each differing field with both values. A patient's name or date of birth is left out."""
    texts = []
    for name in names:
        if not stages.is_private(stage, name):
            here, there = (quote_value(row._mapping[f"{name}_{where}"] or "") for where in ("here", "there"))
            texts.append(f"{_FIELD_WORDS.get(name, name)} {here} here, {there} there")
    return texts

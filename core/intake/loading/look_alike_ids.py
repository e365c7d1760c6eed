"""Ids that look alike but are not equal would split one payer or patient into two."""

from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, Table, Text, cast, exists, func, null, or_, select, union
from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.checks import PRACTICE_ID, Check, Origins, first_faulty_rows, has_rows, run_checks
from core.intake.parsing.characters import fold_look_alikes_sql
from core.intake.parsing.faults import Faults, quote_value
from core.models.claims import Claim
from core.models.practices import BillingStatus, Office, Patient, Payer, Provider

_IDS: Final = (
    (stages.BILLING_STATUS, "name", BillingStatus, "name"),
    (stages.OFFICE, "external_id", Office, "external_id"),
    (stages.PROVIDER, "external_id", Provider, "external_id"),
    (stages.PAYER, "external_id", Payer, "external_id"),
    (stages.PATIENT, "external_id", Patient, "external_id"),
    (stages.CLAIM, "external_id", Claim, "external_id"),
)


def report_look_alikes(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
    """Add a fault for each new id that looks like another id in its file or in the practice."""
    # Planning the comparisons takes longer than any other check of a small file.
    if session.scalar(_has_special_characters(), {PRACTICE_ID.key: practice_id}):
        run_checks(session, practice_id, _checks(), origins, faults)


@cache
def _has_special_characters() -> Select[Any]:
    """Return whether any id, staged or in the practice, contains special characters. Others never look alike."""
    staged = (select(stage).where(_is_odd(stage.c[key])) for stage, key, _, _ in _IDS)
    here = (
        select(table.practice_id).where(table.practice_id == PRACTICE_ID, _is_odd(getattr(table, name)))
        for _, _, table, name in _IDS
    )
    return select(or_(*(one.exists() for one in (*staged, *here))))


@cache
def _checks() -> tuple[Check, ...]:
    return tuple(_check(*ids) for ids in _IDS)


def _check(stage: Table, key: str, table: Any, name: str) -> Check:
    here = select(getattr(table, name).label("id")).where(table.practice_id == PRACTICE_ID)
    pairs = _pairs(stage, key, here)

    def report(session: Session, practice_id: int, origins: Origins, faults: Faults) -> None:
        for row in first_faulty_rows(session, pairs, "is_here", faults=faults, practice_id=practice_id):
            where = "the practice has" if row.is_here else f"line {row.other_at} has"
            cure = "it looks like another ID but has different characters; type both the same way"
            note = f"{where} {quote_value(row.other)}"
            faults.add(origins[stage].fault(row, key, row.value, cure, note=note), times=row.times)

    return Check(stage, has_rows(pairs), report)


def _pairs(stage: Table, key: str, here: Select[Any]) -> Select[Any]:
    """Return each new staged id with the other id that it looks like.

    Different ids of plain characters never look alike. So only ids with a special character are compared with others.
    """
    known = here.subquery("known")
    staged = select(stage.c.at, stage.c[key].label("id")).where(~exists().where(known.c.id == stage.c[key]))
    new, other = staged.subquery("new"), select(stage.c.at, stage.c[key].label("id")).subquery("other")
    odd, odd_other = _ids_with_special_characters(new, "odd"), _ids_with_special_characters(other, "odd_other")
    odd_known = _ids_with_special_characters(known, "odd_known")
    from_file = [
        select(odd.c.at, odd.c.id, other.c.id.label("other"), other.c.at.label("other_at")).where(
            other.c.id == odd.c.looks, other.c.id != odd.c.id
        ),
        select(odd.c.at, odd.c.id, odd_other.c.id, odd_other.c.at).where(
            odd_other.c.looks == odd.c.looks, odd_other.c.id != odd.c.id, odd_other.c.at < odd.c.at
        ),
    ]
    nowhere = cast(null(), Integer)
    from_practice = [
        select(odd.c.at, odd.c.id, known.c.id, nowhere).where(known.c.id == odd.c.looks),
        select(odd.c.at, odd.c.id, odd_known.c.id, nowhere).where(odd_known.c.looks == odd.c.looks),
        select(new.c.at, new.c.id, odd_known.c.id, nowhere).where(odd_known.c.looks == new.c.id),
    ]
    pairs = union(*from_file, *from_practice).subquery("pairs")
    return select(
        pairs.c.at,
        pairs.c.id.label("value"),
        pairs.c.other,
        pairs.c.other_at,
        pairs.c.other_at.is_(None).label("is_here"),
    )


def _ids_with_special_characters(ids: Any, name: str) -> Any:
    """Return the ids that contain special characters, with what they look like."""
    column: ColumnElement[str] = ids.c.id
    columns = [c for c in ids.c if c.name != "id"]
    return (
        select(*columns, column.label("id"), cast(fold_look_alikes_sql(column), Text).label("looks"))
        .where(_is_odd(column))
        .subquery(name)
    )


def _is_odd(column: Any) -> ColumnElement[bool]:
    return func.octet_length(column) != func.char_length(column)

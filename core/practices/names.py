"""Distinguish offices, providers and payers with the same name by adding the practice's own number."""

from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from core.models.practices import Office, Payer, Provider

NamedTable = type[Office] | type[Provider] | type[Payer]


def display_name(session: Session, practice_id: int, table: NamedTable, *, of: Any = None) -> Any:
    """Return an expression for the name of `table`, or of its alias `of` (columns `id` and `name`), as screens show it.

    If another row of the practice has the same name, the practice's own number follows: "Main Street Office (MAIN-2)".
    """
    named = table if of is None else of
    labels = _labels(session, practice_id, table)
    return case(labels, value=named.id, else_=named.name) if labels else named.name


def numbers_and_names(session: Session, practice_id: int, table: NamedTable) -> list[tuple[str, str]]:
    """Return the practice's own number and the shown name of each row, by name."""
    found = select(table.external_id, display_name(session, practice_id, table)).where(table.practice_id == practice_id)
    return [(number, name) for number, name in session.execute(found.order_by(table.name, table.id))]


def _labels(session: Session, practice_id: int, table: NamedTable) -> dict[int, str]:
    """Return the shown names, by internal id, of rows whose name is not unique. Most practices have none."""
    of_practice = table.practice_id == practice_id
    shared = select(table.name).where(of_practice).group_by(table.name).having(func.count() > 1)
    rows = session.execute(select(table.id, table.name, table.external_id).where(of_practice, table.name.in_(shared)))
    return {row.id: f"{row.name} ({row.external_id})" for row in rows}

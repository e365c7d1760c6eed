"""Distinguish offices, providers and payers with the same name by adding the practice's own number."""

from collections import defaultdict
from typing import Any, NamedTuple

from sqlalchemy import case, func, literal, select, union_all
from sqlalchemy.orm import Session

from core.models.practices import Office, Payer, Provider

NamedTable = type[Office] | type[Provider] | type[Payer]


class ShownNames(NamedTuple):
    """How screens show rows whose name is not unique, by table and internal id. Most practices have none."""

    labels: dict[str, dict[int, str]]

    def of(self, table: NamedTable, alias: Any = None) -> Any:
        """Return an expression for the name of `table`, or of its alias (columns `id` and `name`), as screens show it.

        If another row of the practice has the same name, the practice's own number follows: "Main Street (MAIN-2)".
        """
        named = table if alias is None else alias
        labels = self.labels[table.__tablename__]
        return case(labels, value=named.id, else_=named.name) if labels else named.name


def shown_names(session: Session, practice_id: int, *tables: NamedTable) -> ShownNames:
    """Read the names of these tables that are not unique, all in one query."""
    labels: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for row in session.execute(union_all(*(_not_unique(practice_id, table) for table in tables))):
        labels[row.kind][row.id] = f"{row.name} ({row.external_id})"
    return ShownNames(labels)


def display_name(session: Session, practice_id: int, table: NamedTable) -> Any:
    """Return an expression for the name of one table, as screens show it."""
    return shown_names(session, practice_id, table).of(table)


def numbers_and_names(session: Session, practice_id: int, table: NamedTable) -> list[tuple[str, str]]:
    """Return the practice's own number and the shown name of each row, by name."""
    found = select(table.external_id, display_name(session, practice_id, table)).where(table.practice_id == practice_id)
    return [(number, name) for number, name in session.execute(found.order_by(table.name, table.id))]


def _not_unique(practice_id: int, table: NamedTable) -> Any:
    of_practice = table.practice_id == practice_id
    shared = select(table.name).where(of_practice).group_by(table.name).having(func.count() > 1)
    columns = (literal(table.__tablename__).label("kind"), table.id, table.name, table.external_id)
    return select(*columns).where(of_practice, table.name.in_(shared))

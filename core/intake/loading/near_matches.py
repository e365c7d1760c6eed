"""The nearest known value of an unknown id, as a hint in the fault."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, CompoundSelect, Label, Select, Text, case, cast, func, null, select

from core.intake.parsing.characters import fold_look_alikes_sql

_ZEROS, _LETTER_CASE, _LOOK_ALIKE = "zeros", "letters", "looks"
NEAR_MATCH_CURES: Final[Mapping[str, str]] = {
    _ZEROS: (
        "it exists with different leading zeros; spreadsheets drop them, so format the column as text before export"
    ),
    _LETTER_CASE: "it exists with different capitalization; write both the same way",
    _LOOK_ALIKE: "it exists with different characters that look the same; type both the same way",
}
"""The fix for each hint that `near_match` gives."""


def near_match(named: ColumnElement[Any], known: Select[Any] | CompoundSelect[Any]) -> Label[str | None]:
    """Return, as `hint`, how `named` differs from the nearest known id. Null if none is near or it is known."""
    (known_id,) = known.subquery().c

    def is_near(form: Callable[[ColumnElement[Any]], ColumnElement[Any]]) -> ColumnElement[bool]:
        # A set that does not depend on the row, so that PostgreSQL hashes it once.
        return form(named).in_(select(form(known_id)).where(known_id.is_not(None)))

    return case(
        (is_near(lambda value: value), null()),
        (is_near(lambda value: func.ltrim(value, "0")), _ZEROS),
        (is_near(func.lower), _LETTER_CASE),
        (is_near(fold_look_alikes_sql), _LOOK_ALIKE),
        else_=cast(null(), Text),
    ).label("hint")

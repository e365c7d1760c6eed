"""The form of a layout: a row for each column with its position and heading, and a few columns of fixed text."""

from dataclasses import dataclass
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from core import reading
from core.enums.exports import Column
from core.errors import Refusal
from core.exports.layouts import HEADINGS, LayoutColumn, NamedLayout

FIXED_TEXTS: Final = 4  # rows for columns with the same text in every row
_LABELS: Final = {**HEADINGS, Column.TEXT: "Fixed text"}


@dataclass(frozen=True)
class ColumnRow:
    """One row of the form, as typed. Without a place, the column is left out."""

    key: str  # of its fields
    column: Column
    label: str
    place: str = ""
    heading: str = ""
    text: str = ""

    @property
    def default_heading(self) -> str:
        """Return the heading that the file has if the field is empty, to show as the field's placeholder."""
        return HEADINGS.get(self.column, self.label)

    @property
    def order(self) -> int:
        """Return the place as a number. Anything that is not a number comes last."""
        return reading.number(self.place) or 10**9


@dataclass(frozen=True)
class LayoutForm:
    """The form as typed."""

    name: str
    rows: list[ColumnRow]
    date_format: str
    sign: str
    totals_row: bool

    def as_request(self) -> dict[str, Any]:
        """Return the layout for core: the rows that have a place, in that order."""
        chosen = sorted((row for row in self.rows if row.place), key=lambda row: row.order)
        columns = [{"column": row.column.value, "heading": row.heading, "text": row.text} for row in chosen]
        fields = {"date_format": self.date_format, "sign": self.sign, "totals_row": self.totals_row}
        return {"columns": columns, **fields}


def of_layout(named: NamedLayout) -> LayoutForm:
    """Return the form filled in with a layout."""
    placed = {one: str(nth) for nth, one in enumerate(named.layout.columns, start=1)}
    by_column: dict[Column, LayoutColumn] = {
        one.column: one for one in named.layout.columns if one.column is not Column.TEXT
    }
    rows = [_row(column.value, column, by_column.get(column), placed) for column in HEADINGS]
    texts: list[LayoutColumn | None] = [one for one in named.layout.columns if one.column is Column.TEXT]
    texts += [None] * max(1, FIXED_TEXTS - len(texts))
    rows += [_row(f"text{nth}", Column.TEXT, one, placed) for nth, one in enumerate(texts, start=1)]
    layout = named.layout
    return LayoutForm(named.name, rows, layout.date_format.value, layout.sign.value, layout.totals_row)


def _row(key: str, column: Column, one: LayoutColumn | None, placed: dict[LayoutColumn, str]) -> ColumnRow:
    label = _LABELS[column]
    if one is None:
        return ColumnRow(key, column, label)
    return ColumnRow(key, column, label, placed[one], one.title, one.text)


def of(form: MultiDict[str, str]) -> LayoutForm:
    """Read what was sent. Everything typed is kept."""
    keys = [(column.value, column) for column in HEADINGS]
    keys += [(f"text{nth}", Column.TEXT) for nth in range(1, 100) if f"place-text{nth}" in form]

    def typed(field: str, key: str) -> str:
        return form.get(f"{field}-{key}", "").strip()

    rows = [
        ColumnRow(
            key, column, _LABELS[column], typed("place", key), typed("heading", key),
            typed("text", key) if column is Column.TEXT else "",
        )
        for key, column in keys
    ]  # fmt: skip
    return LayoutForm(
        form.get("name", ""), rows, form.get("date_format", ""), form.get("sign", ""), form.get("totals_row") == "true"
    )


def sentences(refusal: Refusal) -> list[str]:
    """Return the faults of a layout as sentences."""
    faults = refusal.facts.get("faults", {})
    if "columns" in faults:
        return ["Number at least one column."]
    return [reading.as_sentence(fault) for fault in faults.values()]

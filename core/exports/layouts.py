"""Layouts of write-off files: columns, order, headings, date format and sign, saved by name for each practice."""

import datetime as dt
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import reading
from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.enums.exports import STANDARD, Column, DateFormat, Sign
from core.errors import BadInput, NotFound, Refusal, or_raise
from core.models.exports import PostingLayout

NAME_CHARACTERS_MAX: Final = 60
HEADING_CHARACTERS_MAX: Final = 60
COLUMNS_MAX: Final = 60
LAYOUTS_MAX: Final = 200  # for each practice; a longer menu would be unreadable

IMPORT: Final = "Batch Settle postings"


class BadLayout(BadInput):
    """The layout is not valid."""


class NoSuchLayout(NotFound):
    """This practice has no layout with that name or number."""


class BuiltInLayout(Refusal):
    """This is the name of a built-in layout. Choose a different name."""


class TooManyLayouts(Refusal):
    """A practice can have at most 200 layouts. Delete one that is no longer used."""

    http_status = HTTPStatus.CONFLICT


HEADINGS: Final[Mapping[Column, str]] = {
    Column.CLAIM_ID: "Claim ID",
    Column.PATIENT_ID: "Patient ID",
    Column.PATIENT: "Patient",
    Column.SERVICE_DATE: "Date of Service",
    Column.LINE: "Line",
    Column.PROCEDURE_CODE: "Procedure code",
    Column.RESPONSIBILITY: "Responsibility",
    Column.AMOUNT: "Amount",
    Column.POSTING_DATE: "Posting date",
    Column.KIND: "Write-off or reversal",
    Column.REASON: "Reason",
    Column.ADJUSTMENT_CODE: "Adjustment code",
    Column.GL_ACCOUNT: "GL account",
    Column.JOB: "Job",
    Column.USER: "User",
    Column.POSTING_ID: "Posting ID",
    Column.REVERSES_POSTING_ID: "Reverses posting ID",
    Column.IMPORT_ID: "Import ID",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _line_of_text(value: Any) -> Any:
    if isinstance(value, str) and not value.isprintable():
        raise ValueError("remove the line breaks and hidden characters")
    return value


_Text = Annotated[str, Field(max_length=HEADING_CHARACTERS_MAX), BeforeValidator(_line_of_text)]


class LayoutColumn(_Frozen):
    """One column in the file."""

    column: Column
    heading: Annotated[_Text, Field(description="Column heading. Empty means the default")] = ""
    text: Annotated[_Text, Field(description="Only for the column text: its value in every row")] = ""

    @property
    def title(self) -> str:
        """Return the column heading."""
        return self.heading or HEADINGS.get(self.column, "")


class Layout(_Frozen):
    """What a write-off file looks like."""

    columns: Annotated[tuple[LayoutColumn, ...], Field(min_length=1, max_length=COLUMNS_MAX)]
    date_format: DateFormat = DateFormat.US
    sign: Sign = Sign.NEGATIVE
    totals_row: Annotated[bool, Field(strict=True, description="Add a last row with the total")] = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read a layout from JSON. Raise `BadLayout` naming each bad field."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            faults = reading.faults_by_path(error)
        raise BadLayout(reading.join_faults(faults), faults=faults)

    @model_validator(mode="after")
    def _has_own_headings(self) -> Self:
        titles = [one.title for one in self.columns]
        if not all(titles):
            raise ValueError("give every column a heading")
        twice = next((title for title in titles if titles.count(title) > 1), None)
        if twice is not None:
            raise ValueError(f"two columns have the heading “{twice}”; give each its own")
        return self


class NamedLayout(NamedTuple):
    """A layout with its name. `id` is None for a built-in one."""

    id: int | None
    name: str
    layout: Layout


# The columns of postings.csv, which `settle import postings` reads. It treats write-offs as adjustments.
_IMPORT_COLUMNS: Final = (
    (Column.IMPORT_ID, "posting_id", ""),
    (Column.CLAIM_ID, "claim_id", ""),
    (Column.LINE, "line", ""),
    (Column.RESPONSIBILITY, "responsibility", ""),
    (Column.TEXT, "kind", "adjustment"),
    (Column.AMOUNT, "amount", ""),
    (Column.TEXT, "paid_by", ""),
    (Column.TEXT, "group_code", ""),
    (Column.TEXT, "reason_code", ""),
    (Column.POSTING_DATE, "posting_date", ""),
)
BUILT_IN: Final = (
    NamedLayout(
        None,
        STANDARD,
        Layout(columns=tuple(LayoutColumn(column=column) for column in HEADINGS if column is not Column.IMPORT_ID)),
    ),
    NamedLayout(
        None,
        IMPORT,
        Layout(
            columns=tuple(LayoutColumn(column=c, heading=heading, text=words) for c, heading, words in _IMPORT_COLUMNS),
            date_format=DateFormat.ISO,
            totals_row=False,
        ),
    ),
)


def list_layouts(session: Session, practice_id: int) -> Sequence[NamedLayout]:
    """Return the built-in layouts, then the practice's own by name."""
    own = select(PostingLayout).where(PostingLayout.practice_id == practice_id).order_by(func.lower(PostingLayout.name))
    return [*BUILT_IN, *(_named(row) for row in session.scalars(own))]


def find(session: Session, practice_id: int, name: str) -> NamedLayout:
    """Return the layout with this name, in any letter case. Raise `NoSuchLayout` with the existing names."""
    known = list_layouts(session, practice_id)
    wanted = " ".join(name.split()).casefold()
    for one in known:
        if one.name.casefold() == wanted:
            return one
    raise NoSuchLayout(f"There is no layout with that name. The layouts are: {', '.join(one.name for one in known)}.")


def find_by_id(session: Session, practice_id: int, layout_id: int) -> NamedLayout:
    """Return the practice's own layout. Raise `NoSuchLayout`."""
    row = or_raise(session.get(PostingLayout, (practice_id, layout_id)), NoSuchLayout)
    return _named(row)


def save(session: Session, name: str, layout: Layout, *, by: Actor, now: dt.datetime) -> NamedLayout:
    """Save the layout under `name`, replacing any layout with that name. Sent files keep their old layout.

    Raise `BadLayout`, `BuiltInLayout` or `TooManyLayouts`.
    """
    by.require(Action.SEND_WRITE_OFFS)
    fault = f"enter a name of at most {NAME_CHARACTERS_MAX} characters"
    refusal = BadLayout(f"name: {fault}", faults={"name": fault})
    name = reading.checked_name(" ".join(name.split()), refusal, most=NAME_CHARACTERS_MAX)
    known = {one.name.casefold() for one in list_layouts(session, by.practice_id)}
    if name.casefold() in {one.name.casefold() for one in BUILT_IN}:
        raise BuiltInLayout
    if len(known) >= LAYOUTS_MAX and name.casefold() not in known:
        raise TooManyLayouts
    values = {"layout": layout.model_dump(mode="json"), "changed_by": by.user_id, "changed_at": now}
    new = insert(PostingLayout).values(practice_id=by.practice_id, name=name, **values)
    saved = new.on_conflict_do_update(
        index_elements=["practice_id", text("lower(name)")], set_={"name": name, **values}
    )
    row = session.scalars(saved.returning(PostingLayout), execution_options={"populate_existing": True}).one()
    _record(session, "layout.saved", row.id, by, now)
    return _named(row)


def remove(session: Session, layout_id: int, *, by: Actor, now: dt.datetime) -> None:
    """Delete a layout. Files already sent keep their layout. Raise `NoSuchLayout`."""
    by.require(Action.SEND_WRITE_OFFS)
    this = (PostingLayout.practice_id == by.practice_id, PostingLayout.id == layout_id)
    if session.scalar(delete(PostingLayout).where(*this).returning(PostingLayout.id)) is None:
        raise NoSuchLayout
    _record(session, "layout.deleted", layout_id, by, now)


def _named(row: PostingLayout) -> NamedLayout:
    return NamedLayout(row.id, row.name, Layout.model_validate(row.layout))


def _record(session: Session, act: str, layout_id: int, by: Actor, now: dt.datetime) -> None:
    audit.record(session, act, Subject.of("layout", layout_id, practice_id=by.practice_id), by=by, now=now)

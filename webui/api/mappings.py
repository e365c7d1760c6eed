"""Mappings: what each column in an office's own file means."""

import base64
import datetime as dt
from typing import Annotated, Any, Final

from pydantic import Field
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.errors import BadInput
from core.intake.mapping import saved_mappings
from core.intake.mapping.guess import guess_mapping
from core.intake.mapping.guessed import Guess
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.saved_mappings import NoSuchMapping
from core.intake.mapping.targets import TARGETS
from core.intake.mapping.workbook import CELLS_OF_REQUEST_MAX
from webui.api.blueprint import Tag, api
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, IdPath
from webui.shared.app_context import app_context, now
from webui.shared.temporary_folder import temporary_folder
from webui.shared.token_auth import current_actor, current_day

IMPORTS: Final = Tag(name="Imports", description="Upload files, review the check, import")


class BadContent(BadInput):
    """Send the first part of the file as base64 in `content`."""


class NewMapping(Body):
    """A mapping to save under a name."""

    name: Annotated[str, Field(description="1 to 60 characters, unique in the practice")]
    mapping: Annotated[dict[str, Any], Field(description="As `POST /mappings/guess` returns it, corrected")]
    replace: Annotated[bool, Field(description="Replace the mapping with this name")] = False


class FileHead(Body):
    """A file, or its first lines. A workbook must be complete."""

    name: Annotated[str, Field(description="The file's name", min_length=1, max_length=200)]
    content: Annotated[str, Field(description="The bytes in base64, at most 24 MB")]
    sheet: str | None = None


class MappingPath(IdPath):
    """The mapping's ID."""

    missing = NoSuchMapping
    mapping_id: str


class MappingAnswer(Answer):
    """A saved mapping."""

    id: Id
    name: str
    mapping: dict[str, Any]
    saved_at: dt.datetime


class MappingsAnswer(Answer):
    """The practice's saved mappings, by name."""

    mappings: list[MappingAnswer]


class ColumnAnswer(Answer):
    """A column in the file. `field` is null if the column is not imported."""

    header: str
    field: str | None
    label: str | None
    example: Annotated[str, Field(description="A value from the column; empty for names and dates of birth")]


class QuestionAnswer(Answer):
    """A question to answer before the mapping can be used."""

    code: str
    sentence: str


class GuessAnswer(Answer):
    """A guessed mapping. Correct it, answer the questions, then save it."""

    mapping: dict[str, Any]
    header_row: int
    columns: list[ColumnAnswer]
    questions: list[QuestionAnswer]
    notes: Annotated[list[str], Field(description="What was concluded from the values")]


@api.get("/mappings", needs=Action.IMPORT, tag=IMPORTS)
def list_mappings(session: Session) -> MappingsAnswer:
    """List the practice's saved mappings."""
    return MappingsAnswer(mappings=saved_mappings.list_mappings(session, current_actor().practice_id))


@api.post("/mappings", needs=Action.IMPORT, tag=IMPORTS, status=201, problems=[409])
def save_mapping(body: NewMapping, session: Session) -> MappingAnswer:
    """Save a mapping. Saving the same one again changes nothing."""
    actor = current_actor()
    saved = saved_mappings.save_mapping(
        session,
        actor.practice_id,
        name=body.name,
        mapping=Mapping.of(body.mapping),
        replace=body.replace,
        by=actor,
        now=now(),
    )
    return MappingAnswer.model_validate(saved)


@api.get("/mappings/<mapping_id>", needs=Action.IMPORT, tag=IMPORTS)
def show_mapping(path: MappingPath, session: Session) -> MappingAnswer:
    """Show a saved mapping."""
    found = saved_mappings.find_mapping(session, current_actor().practice_id, path.id)
    return MappingAnswer.model_validate(found)


@api.delete("/mappings/<mapping_id>", needs=Action.IMPORT, tag=IMPORTS)
def delete_mapping(path: MappingPath, session: Session) -> None:
    """Delete a saved mapping. Claims that were imported with it stay."""
    saved_mappings.delete_mapping(session, path.id, by=current_actor(), now=now())


@api.post("/mappings/guess", needs=Action.IMPORT, tag=IMPORTS, problems=[507])
def guess(body: FileHead) -> GuessAnswer:
    """Guess a file's mapping from its headers and first rows. Nothing is saved."""
    try:
        content = base64.b64decode(body.content, validate=True)
    except ValueError:  # text that is not ASCII raises no `binascii.Error`
        raise BadContent from None
    with app_context().sessions() as session:
        today = current_day(session)
    with temporary_folder() as folder:
        path = folder / "file"  # a name from outside is never a path
        path.write_bytes(content)
        return _guessed(guess_mapping(path, today=today, sheet=body.sheet, cells_max=CELLS_OF_REQUEST_MAX))


def _guessed(found: Guess) -> GuessAnswer:
    columns = [
        ColumnAnswer(
            header=one.header,
            field=one.field,
            label=TARGETS[one.field].label if one.field else None,
            example=one.example,
        )
        for one in found.columns
    ]
    return GuessAnswer(
        mapping=found.mapping.as_json(),
        header_row=found.header_row,
        columns=columns,
        questions=found.questions,
        notes=found.notes,
    )

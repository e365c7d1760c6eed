"""Mappings: what each column in an office's own file means."""

import base64
import datetime as dt
from http import HTTPStatus
from typing import Annotated, Any, Final

from flask import Response, jsonify
from pydantic import Field

from core.access.permissions import Action
from core.db.engine import transaction
from core.errors import BadInput
from core.intake.mapping import saved_mappings
from core.intake.mapping.guess import guess_mapping
from core.intake.mapping.guessed import Guess
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.saved_mappings import NoSuchMapping
from core.intake.mapping.targets import TARGETS
from core.intake.mapping.workbook import CELLS_OF_REQUEST_MAX
from core.practices import practice_days, practice_queries
from webui.api.blueprint import Tag, api, problem_responses
from webui.api.models import Answer, Id
from webui.api.request_parsing import Body, IdPath, requires
from webui.shared.app_context import app_context, now
from webui.shared.temporary_folder import temporary_folder
from webui.shared.token_auth import current_actor

IMPORTS: Final = Tag(name="Imports", description="Upload files, review the check, import")


class BadContent(BadInput):
    """Send the first part of the file as base64 in `content`."""

    code = "bad_content"


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


@api.get("/mappings", tags=[IMPORTS], responses={200: MappingsAnswer})
@requires(Action.IMPORT)
def list_mappings() -> Response:
    """List the practice's saved mappings."""
    with app_context().sessions() as session:
        found = saved_mappings.list_mappings(session, current_actor().practice_id)
        return jsonify(MappingsAnswer(mappings=[MappingAnswer.model_validate(one) for one in found]).json_ready())


@api.post("/mappings", tags=[IMPORTS], responses={201: MappingAnswer, **problem_responses(400, 409, 413, 415)})
@requires(Action.IMPORT)
def save_mapping(body: NewMapping) -> tuple[Response, int]:
    """Save a mapping. Saving the same one again changes nothing."""
    actor = current_actor()
    with transaction(app_context().sessions) as session:
        saved = saved_mappings.save_mapping(
            session,
            actor.practice_id,
            name=body.name,
            mapping=Mapping.of(body.mapping),
            replace=body.replace,
            by=actor,
            now=now(),
        )
        return jsonify(MappingAnswer.model_validate(saved).json_ready()), HTTPStatus.CREATED


@api.get("/mappings/<mapping_id>", tags=[IMPORTS], responses={200: MappingAnswer, **problem_responses(404)})
@requires(Action.IMPORT)
def show_mapping(path: MappingPath) -> Response:
    """Show a saved mapping."""
    with app_context().sessions() as session:
        found = saved_mappings.find_mapping(session, current_actor().practice_id, path.id)
        return jsonify(MappingAnswer.model_validate(found).json_ready())


@api.delete("/mappings/<mapping_id>", tags=[IMPORTS], responses={204: None, **problem_responses(404)})
@requires(Action.IMPORT)
def delete_mapping(path: MappingPath) -> tuple[str, int]:
    """Delete a saved mapping. Claims that were imported with it stay."""
    with transaction(app_context().sessions) as session:
        saved_mappings.delete_mapping(session, path.id, by=current_actor(), now=now())
    return "", HTTPStatus.NO_CONTENT


@api.post("/mappings/guess", tags=[IMPORTS], responses={200: GuessAnswer, **problem_responses(400, 413, 415, 507)})
@requires(Action.IMPORT)
def guess(body: FileHead) -> Response:
    """Guess a file's mapping from its headers and first rows. Nothing is saved."""
    try:
        content = base64.b64decode(body.content, validate=True)
    except ValueError:  # text that is not ASCII raises no `binascii.Error`
        raise BadContent from None
    with app_context().sessions() as session:
        today = practice_days.today(practice_queries.find(session, current_actor().practice_id), now=now())
    with temporary_folder() as folder:
        path = folder / "file"  # a name from outside is never a path
        path.write_bytes(content)
        return jsonify(
            _guessed(guess_mapping(path, today=today, sheet=body.sheet, cells_max=CELLS_OF_REQUEST_MAX)).json_ready()
        )


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
        questions=[QuestionAnswer(code=one.code, sentence=one.sentence) for one in found.questions],
        notes=found.notes,
    )

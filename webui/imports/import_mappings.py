"""Saved mappings of import files: guess one from a file, correct it, save it by name, delete it."""

import tempfile
from collections.abc import Mapping as Dict, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.db.base import BIGINT_MAX
from core.errors import BadInput, Refusal
from core.intake.mapping import saved_mappings
from core.intake.mapping.date_formats import DateFormat
from core.intake.mapping.guess import guess_mapping
from core.intake.mapping.mapping import OUR_WORDS, BadMapping, Mapping, Problem
from core.intake.mapping.saved_mappings import BadMappingName, MappingNameTaken, TooManyMappings
from core.intake.mapping.targets import TARGETS, Field, Kind
from core.intake.mapping.workbook import CELLS_OF_REQUEST_MAX
from core.intake.uploads import mapping_choice
from core.intake.uploads.lifecycle import ImportKey, WrongImportStatus
from core.models.claims import BILLING_STATUSES
from core.practices import practice_days
from webui.shared import acts
from webui.shared.app_context import app_context, now
from webui.shared.auth import current_actor, current_practice, requires
from webui.shared.labels import day_text

blueprint = Blueprint("import_mappings", __name__, url_prefix="/import-mappings")
_COLUMNS_MAX: Final = 500  # of a form
_UNDECIDED: Final = "?"  # a word whose meaning the user must choose
_REFUSALS: Final = (BadMapping, BadMappingName, MappingNameTaken, TooManyMappings, WrongImportStatus)


class NoFileChosen(BadInput):
    """Choose a file."""

    code = "no_file_chosen"


class FormColumn(NamedTuple):
    """A column of the file in the form."""

    header: str
    field: Field | None
    example: str
    date_format: DateFormat | None
    words: Sequence[tuple[str, str]]  # the file's word, and ours or an empty text


@blueprint.get("")
@requires(Action.IMPORT)
def index() -> str:
    """List the saved mappings, and offer to make one from a file."""
    return _index()


@blueprint.get(f"/<int(max={BIGINT_MAX}):mapping_id>")
@requires(Action.IMPORT)
def show(mapping_id: int) -> str:
    """Show a saved mapping."""
    with app_context().sessions() as db:
        saved = saved_mappings.find_mapping(db, current_actor().practice_id, mapping_id)
        mapping = Mapping.of(saved.mapping)
    by_field = sorted(mapping.headers().items(), key=lambda pair: list(Field).index(pair[0]))
    return render_template("import_mappings/show.html", saved=saved, mapping=mapping, columns=by_field, targets=TARGETS)


@blueprint.post("/guess")
@requires(Action.IMPORT)
def guess() -> str | tuple[str, int]:
    """Show the guessed mapping of an uploaded file as a form. The file is not kept."""
    try:
        return _form_of_upload()
    except (BadInput, OSError) as refusal:
        message = refusal.message if isinstance(refusal, Refusal) else "The file cannot be read."
        return _index(fault=message), HTTPStatus.UNPROCESSABLE_ENTITY


@blueprint.post("")
@requires(Action.IMPORT)
def save() -> Response | tuple[str, int]:
    """Save the corrected mapping. Problems appear above the form."""
    columns, problems, name = [], [], request.form.get("name", "")
    import_id = reading.number(request.form.get("import_id", ""), most=BIGINT_MAX)
    draft = Mapping()
    try:
        columns = _typed_columns()
        draft = _typed_mapping(columns)
        problems = [*_open_words(columns), *draft.problems()]
        if not problems:
            given = {"name": name, "mapping": draft, "replace": "replace" in request.form}
            if import_id is not None:
                job = acts.run(mapping_choice.save_and_use, ImportKey(current_actor().practice_id, import_id), **given)
                app_context().hints.import_files(job.practice_id, job.id)
                return acts.redirect_with("Mapping saved.", "imports.show", import_id=import_id)
            saved = acts.run(saved_mappings.save_mapping, current_actor().practice_id, **given)
            return acts.redirect_with(f"Mapping {saved.name} saved.", "import_mappings.show", mapping_id=saved.id)
    except _REFUSALS as refusal:
        problems = [Problem(refusal.code, refusal.message)]
    return _form(columns, draft, problems, name=name, import_id=import_id), HTTPStatus.UNPROCESSABLE_ENTITY


@blueprint.post(f"/<int(max={BIGINT_MAX}):mapping_id>/delete")
@requires(Action.IMPORT)
def delete(mapping_id: int) -> Response:
    """Delete a saved mapping."""
    acts.run(saved_mappings.delete_mapping, mapping_id)
    return acts.redirect_with("Mapping deleted. Imported claims stay.", "import_mappings.index")


def _index(*, fault: str | None = None) -> str:
    with app_context().sessions() as db:
        found = saved_mappings.list_mappings(db, current_actor().practice_id)
    sheet = request.form.get("sheet", "")
    return render_template("import_mappings/index.html", mappings=found, fault=fault, sheet=sheet)


def _form_of_upload() -> str:
    """Return the form for the uploaded file. Raise `NoFileChosen` and what `guess_mapping` raises."""
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise NoFileChosen
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"  # a name from outside is never a path
        upload.save(path)
        today = practice_days.today(current_practice(), now=now())
        sheet = request.form.get("sheet", "").strip() or None
        found = guess_mapping(path, today=today, sheet=sheet, cells_max=CELLS_OF_REQUEST_MAX)
    return form_of_guess(found.facts())


def form_of_guess(guess: Dict[str, Any], *, import_id: int | None = None) -> str:
    """Return the form for a guess as JSON. With the ID of an import, the saved mapping is used for it."""
    draft = Mapping.of(guess["mapping"])
    columns = [_form_column(one, draft, guess["words"]) for one in guess["columns"]]
    questions = [Problem(**one) for one in guess["questions"]]
    return _form(
        columns, draft, questions, notes=guess["notes"], import_id=import_id, sheets=guess["sheets"]
    )  # fmt: skip


def _form_column(column: Dict[str, Any], draft: Mapping, words: Dict[str, Sequence[str]]) -> FormColumn:
    field = Field(column["field"]) if column["field"] else None
    if field is None:
        return FormColumn(column["header"], None, "", None, ())
    ours = draft.words.get(field, {})
    seen = [(word, ours.get(word, _UNDECIDED)) for word in words.get(field, ())]
    return FormColumn(column["header"], field, day_text(column["example"]), draft.dates.get(field), seen)


def _form(
    columns: Sequence[FormColumn],
    draft: Mapping,
    questions: Sequence[Problem],
    *,
    notes: Sequence[str] = (),
    name: str = "",
    import_id: int | None = None,
    sheets: Sequence[str] = (),
) -> str:
    return render_template(
        "import_mappings/form.html",
        columns=columns,
        draft=draft.model_dump_json(exclude={"columns", "dates", "words"}, exclude_defaults=True),
        mapping=draft,
        questions=questions,
        notes=notes,
        warnings=draft.warnings(),
        name=name,
        import_id=import_id,
        sheets=[(sheet, sheet) for sheet in sheets],
        fields=[("", "Not imported"), *((field.value, target.label) for field, target in TARGETS.items())],
        formats=[("", "Choose …"), *((one.value, one.value) for one in DateFormat)],
        choices={field: _choices(field) for field in OUR_WORDS},
        kinds={field: target.kind.value for field, target in TARGETS.items()},
        taken=any(question.code == MappingNameTaken.code for question in questions),
    )


def _choices(field: Field) -> list[tuple[str, str]]:
    return [
        (_UNDECIDED, "Choose …"),
        ("", "No value"),
        *((word, word.replace("_", " ")) for word in OUR_WORDS[field] or BILLING_STATUSES),
    ]


def _typed_columns() -> list[FormColumn]:
    """Return the columns of the form as sent. Raise `BadMapping`."""
    form, columns = request.form, []
    for index in range(_COLUMNS_MAX):
        header = form.get(f"header-{index}")
        if header is None:
            break
        try:
            field = Field(form[f"field-{index}"]) if form.get(f"field-{index}") else None
            written = DateFormat(form[f"date-{index}"]) if form.get(f"date-{index}") else None
        except ValueError:
            raise BadMapping(f'Choose a meaning for the column "{header[:60]}" from the list.') from None
        words = list(zip(form.getlist(f"word-{index}"), form.getlist(f"ours-{index}"), strict=False))
        columns.append(FormColumn(header, field, form.get(f"example-{index}", ""), written, words))
    return columns


def _open_words(columns: Sequence[FormColumn]) -> list[Problem]:
    """Return the words without a meaning, as one problem."""
    words = [word for column in columns for word, ours in column.words if ours == _UNDECIDED]
    return [Problem("unknown_word", f"Choose what these values mean: {', '.join(words)}.")] if words else []


def _typed_mapping(columns: Sequence[FormColumn]) -> Mapping:
    """Return the mapping of the form, without words that have no meaning yet. Raise `BadMapping`."""
    draft: Dict[str, Any] = Mapping.of(request.form.get("draft") or "{}").as_json()
    given = {
        **draft,
        "rows": request.form.get("rows", "claim"),
        "columns": {one.header: one.field for one in columns if one.field},
        "dates": {
            one.field: one.date_format
            for one in columns
            if one.field and one.date_format and TARGETS[one.field].kind is Kind.DATE
        },
        "words": {
            one.field: {word: ours for word, ours in one.words if ours != _UNDECIDED}
            for one in columns
            if one.field in OUR_WORDS and one.words
        },
        "payments_below_zero": "payments_below_zero" in request.form,
        "adjustments_below_zero": "adjustments_below_zero" in request.form,
        "post_difference": "post_difference" in request.form,
    }
    return Mapping.of(given)

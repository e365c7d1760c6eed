"""Saved mappings of import files: guess one from a file, correct it, save it by name, change it, delete it."""

import dataclasses
from http import HTTPStatus
from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.db.bounds import BIGINT_MAX
from core.errors import BadInput
from core.intake.mapping import saved_mappings
from core.intake.mapping.guess import guess_mapping
from core.intake.mapping.mapping import BadMapping, Mapping, Problem
from core.intake.mapping.saved_mappings import BadMappingName, MappingChanged, MappingNameTaken, TooManyMappings
from core.intake.mapping.targets import TARGETS, Field
from core.intake.mapping.workbook import CELLS_OF_REQUEST_MAX
from core.intake.uploads import mapping_choice
from core.intake.uploads.lifecycle import ImportKey, WrongImportStatus
from webui.imports.mapping_form import MappingForm, form_of_guess, form_of_saved, typed_form
from webui.shared import acts
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor, current_day
from webui.shared.temporary_folder import ServerDiskFull, temporary_folder

blueprint = Pages("import_mappings", __name__, url_prefix="/import-mappings")
_REFUSALS: Final = (BadMapping, BadMappingName, MappingNameTaken, TooManyMappings, WrongImportStatus)


class NoFileChosen(BadInput):
    """Choose a file."""


@blueprint.get("", needs=Action.IMPORT)
def index() -> str:
    """List the saved mappings, and offer to create one from a file."""
    return _index()


@blueprint.get(f"/<int(max={BIGINT_MAX}):mapping_id>", needs=Action.IMPORT)
def show(mapping_id: int) -> str:
    """Show a saved mapping."""
    with app_context().sessions() as db:
        saved = saved_mappings.find_mapping(db, current_actor().practice_id, mapping_id)
        mapping = Mapping.of(saved.mapping)
    by_field = sorted(mapping.headers().items(), key=lambda pair: list(Field).index(pair[0]))
    return render_template("import_mappings/show.html", saved=saved, mapping=mapping, columns=by_field, targets=TARGETS)


@blueprint.post("/guess", needs=Action.IMPORT)
def guess() -> str | tuple[str, int]:
    """Show the guessed mapping of an uploaded file as a form. The file is not kept."""
    try:
        return _form_of_upload()
    except (BadInput, ServerDiskFull) as refusal:
        return _index(fault=refusal.message), refusal.http_status
    except OSError:
        return _index(fault="The file cannot be read."), HTTPStatus.UNPROCESSABLE_ENTITY


@blueprint.get(f"/<int(max={BIGINT_MAX}):mapping_id>/change", needs=Action.IMPORT)
def change(mapping_id: int) -> str:
    """Show a saved mapping as a form."""
    with app_context().sessions() as db:
        return form_of_saved(saved_mappings.find_mapping(db, current_actor().practice_id, mapping_id))


@blueprint.post("/columns", needs=Action.IMPORT)
def columns() -> str | tuple[str, int]:
    """Show the form as sent, with the date formats and the values of columns whose meaning was changed."""
    try:
        return typed_form().show()
    except BadMapping as refusal:
        return MappingForm().show([Problem(refusal.code, refusal.message)]), HTTPStatus.UNPROCESSABLE_ENTITY


@blueprint.post("", needs=Action.IMPORT)
def save() -> Response | tuple[str, int]:
    """Save the corrected mapping. Problems appear above the form."""
    form = MappingForm()
    try:
        form = typed_form()
        problems = form.problems(today=current_day())
        if not problems:
            return _save(form)
    except MappingChanged as refusal:
        form = dataclasses.replace(form, version=refusal.facts.get("version", ""))
        problems = [Problem(refusal.code, refusal.message)]
    except _REFUSALS as refusal:
        problems = [Problem(refusal.code, refusal.message)]
    return form.show(problems, refused=True), HTTPStatus.UNPROCESSABLE_ENTITY


def _save(form: MappingForm) -> Response:
    """Save the mapping: for the import that waits for it, as a change of a saved one, or as a new one."""
    given = {"name": form.name, "mapping": form.draft}
    replace = "replace" in request.form
    if form.import_id is not None:
        key = ImportKey(current_actor().practice_id, form.import_id)
        job = acts.run(mapping_choice.save_and_use, key, **given, replace=replace)
        app_context().hints.import_files(job.practice_id, job.id)
        return acts.redirect_with("Mapping saved.", "imports.show", import_id=form.import_id)
    if form.mapping_id is not None:
        saved = acts.run(saved_mappings.change_mapping, form.mapping_id, version=form.version, **given)
    else:
        saved = acts.run(saved_mappings.save_mapping, current_actor().practice_id, **given, replace=replace)
    return acts.redirect_with(f"Mapping {saved.name} saved.", "import_mappings.show", mapping_id=saved.id)


@blueprint.post(f"/<int(max={BIGINT_MAX}):mapping_id>/delete", needs=Action.IMPORT)
def delete(mapping_id: int) -> Response:
    """Delete a saved mapping."""
    acts.run(saved_mappings.delete_mapping, mapping_id)
    return acts.redirect_with("Mapping deleted. Claims that were imported with it stay.", "import_mappings.index")


def _index(*, fault: str | None = None) -> str:
    found = acts.read(saved_mappings.list_mappings, current_actor().practice_id)
    sheet = request.form.get("sheet", "")
    return render_template("import_mappings/index.html", mappings=found, fault=fault, sheet=sheet)


def _form_of_upload() -> str:
    """Return the form for the uploaded file.

    Raise `NoFileChosen`, `ServerDiskFull` and what `guess_mapping` raises.
    """
    upload = request.files.get("file")
    if upload is None or not upload.filename:
        raise NoFileChosen
    with temporary_folder() as folder:
        path = folder / "file"  # a name from outside is never a path
        upload.save(path)
        today = current_day()
        sheet = request.form.get("sheet", "").strip() or None
        found = guess_mapping(path, today=today, sheet=sheet, cells_max=CELLS_OF_REQUEST_MAX)
    return form_of_guess(found.facts())

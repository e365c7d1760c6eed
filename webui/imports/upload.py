"""Receive files from a browser: piece by piece with JavaScript, or all in one form without."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from flask import jsonify, request, url_for
from werkzeug.wrappers import Response

from core import reading
from core.access.permissions import Action
from core.db.bounds import BIGINT_MAX
from core.enums.imports import ImportSource
from core.errors import Refusal
from core.intake.synthea.synthea_import import Payments
from core.intake.uploads import mapping_choice, receive
from core.intake.uploads.lifecycle import ImportKey
from core.intake.uploads.receive import BadFiles, UploadedFile
from core.jobs.preview.freezing import IdempotencyMismatch
from core.money import parse_amount
from webui.imports.import_labels import OWN_EXPORT
from webui.shared import acts
from webui.shared.app_context import app_context
from webui.shared.auth import Pages, current_actor
from webui.shared.labels import message_for_page

IMPORT_ID_RULE: Final = f"<int(max={BIGINT_MAX}):import_id>"
PIECES_MAX: Final = 1_000_000

blueprint = Pages("import_uploads", __name__, url_prefix="/imports")


@blueprint.post("", needs=Action.IMPORT)
def upload() -> Response:
    """Store the files of one form, and show the import."""
    given = [(_base_name(file.filename or ""), file.stream) for file in request.files.getlist("files") if file.filename]
    try:
        job = acts.run(receive.receive_at_once, given, **_request())
    except IdempotencyMismatch:
        return _again("This form was already sent with different files. Choose the files again.")
    except Refusal as refusal:
        return _again(acts.sentence_on_page(refusal))
    app_context().hints.import_files(job.practice_id, job.id)
    return acts.redirect_with("Files uploaded. They are being checked now.", "imports.show", import_id=job.id)


@blueprint.post("/begin", needs=Action.IMPORT)
def begin() -> tuple[Response, int]:
    """Announce files whose pieces the page's script will send."""
    sizes = [reading.number(size) or 0 for size in request.form.getlist("size")]
    names = [_base_name(name) for name in request.form.getlist("name")]
    if len(names) != len(sizes):
        return jsonify({"message": BadFiles().message}), HTTPStatus.UNPROCESSABLE_ENTITY
    files = [UploadedFile(*pair) for pair in zip(names, sizes, strict=True)]

    def answer() -> dict[str, Any]:
        job = acts.run(receive.begin, files, **_request())
        return {"pieces": url_for(".put_piece", import_id=job.id), "check": url_for(".check", import_id=job.id)}

    return _as_json(answer)


@blueprint.post(f"/{IMPORT_ID_RULE}/pieces", needs=Action.IMPORT)
def put_piece(import_id: int) -> tuple[Response, int]:
    """Store one piece of a file."""
    file, number = (reading.number(request.args.get(name, ""), most=PIECES_MAX) for name in ("file", "number"))
    places = {"file": -1 if file is None else file, "number": -1 if number is None else number}

    def answer() -> dict[str, Any]:
        acts.run(receive.put_piece, import_key(import_id), **places, content=request.get_data())
        return {}

    return _as_json(answer)


@blueprint.post(f"/{IMPORT_ID_RULE}/check", needs=Action.IMPORT)
def check(import_id: int) -> tuple[Response, int]:
    """Hand the files to the workers, and return the address of the import's page."""

    def answer() -> dict[str, Any]:
        job = acts.run(receive.finish, import_key(import_id))
        app_context().hints.import_files(job.practice_id, job.id)
        return {"show": url_for("imports.show", import_id=job.id)}

    return _as_json(answer)


def import_key(import_id: int) -> ImportKey:
    """Return the key of the import with this id in the user's practice."""
    return ImportKey(current_actor().practice_id, import_id)


def _request() -> dict[str, Any]:
    """Return what the form says about the files. Raise `BadAmount` and `NoSuchMapping`."""
    form = request.form
    expected = form.get("expected_total", "").strip()
    payments = form.get("payments", "")
    options: dict[str, Any] = {
        "payments": payments if payments in set(Payments) else Payments.ALL.value,
        "skip_empty_claims": "skip_empty_claims" in form,
    }
    source, kind = None, form.get("kind", "")
    if kind:
        source = ImportSource.FILE
        if kind == OWN_EXPORT:
            options["show_columns"] = True
        else:
            with app_context().sessions() as db:
                options |= mapping_choice.choose(db, current_actor().practice_id, kind)
    return {
        "source": source,
        "options": options,
        "expected_cents": parse_amount(expected) if expected else None,
        "bytes_max": app_context().settings.import_bytes_max,
        "idempotency_key": form.get("idempotency_key", ""),
    }


def _base_name(name: str) -> str:
    """Return a file's name without the folders that some browsers add."""
    return name.replace("\\", "/").rpartition("/")[2]


def _as_json(answer: Callable[[], dict[str, Any]]) -> tuple[Response, int]:
    """Answer the page's script: with the result, or with the sentence of a refusal."""
    try:
        return jsonify(answer()), HTTPStatus.OK
    except Refusal as refusal:
        return jsonify({"message": message_for_page(refusal)}), refusal.http_status


def _again(message: str) -> Response:
    return acts.redirect_with(message, "imports.index", tone="bad")

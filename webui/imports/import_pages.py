"""The pages of imports: the list with the upload, and one import with its check, its totals and its buttons."""

import datetime as dt
import secrets
from http import HTTPStatus
from typing import Any, Final

from flask import Response as FlaskResponse, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from core import paging
from core.access.permissions import Action
from core.enums.imports import WORKER_STATUSES, ImportSource, ImportStatus
from core.errors import Refusal
from core.intake.mapping import saved_mappings
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.targets import Field
from core.intake.mapping.workbook import CELLS_MAX
from core.intake.remittances import retry, totals
from core.intake.uploads import codes, commands, import_queries, lifecycle, lists, mapping_choice, receive
from core.intake.uploads.receive import megabytes
from core.jobs import job_queries
from core.models.imports import PIECE_BYTES_MAX, ImportJob
from core.money import parse_amount
from webui.imports import balance_words, import_files, import_labels, mapping_form
from webui.imports.upload import IMPORT_ID_RULE, import_key
from webui.shared import acts, page_arguments
from webui.shared.app_context import app_context, now
from webui.shared.auth import Pages, current_actor
from webui.shared.body_limits import BODY_BYTES_MAX

ROWS: Final = 50
FILES_SHOWN: Final = 6  # names of an import in the list; the formats of several tables have as many
WORKER_EXPECTED_WITHIN: Final = dt.timedelta(minutes=1)  # after that, the page says that no worker has started

blueprint = Pages("imports", __name__, url_prefix="/imports")


@blueprint.get("", needs=Action.IMPORT)
def index() -> str:
    """Show the upload and the practice's imports."""
    before = page_arguments.number("before")
    with app_context().sessions() as db:
        found = import_queries.list_imports(db, current_actor().practice_id, before_id=before, limit=ROWS + 1)
        names = job_queries.names_of_users(db, current_actor().practice_id, {one.requested_by for one in found})
        news = import_queries.news(db, current_actor().practice_id, [one.id for one in found])
        claims = import_queries.claims_added(db, current_actor().practice_id, [one.id for one in found])
        mappings = saved_mappings.list_mappings(db, current_actor().practice_id)
    imports, last = paging.cut(found, ROWS)
    return render_template(
        "imports/index.html",
        imports=imports,
        names=names,
        claims=claims,
        files_shown=FILES_SHOWN,
        older=last and last.id,
        statuses={one.id: import_labels.status_of(one.status, news.get(one.id)) for one in imports},
        sources=import_labels.SOURCE_LABELS,
        kinds=[*import_labels.KINDS, *((one.id, f"Your own export: {one.name}") for one in mappings)],
        key=secrets.token_urlsafe(16),
        piece_bytes=PIECE_BYTES_MAX,
        bytes_max=app_context().settings.import_bytes_max,
        most=megabytes(app_context().settings.import_bytes_max),
        form_most=megabytes(BODY_BYTES_MAX),
        million_cells=CELLS_MAX // 1_000_000,
    )


@blueprint.get(f"/{IMPORT_ID_RULE}", needs=Action.IMPORT)
def show(import_id: int) -> str:
    """Show one import."""
    key = import_key(import_id)
    with app_context().sessions() as db:
        job = import_queries.find(db, key)
        received = receive.received_bytes(db, key) if job.status is ImportStatus.UPLOADING else 0
        names = job_queries.names_of_users(db, key.practice_id, {job.requested_by, job.confirmed_by})
        asks = job.status is ImportStatus.NEEDS_MAPPING
        mappings = saved_mappings.list_mappings(db, key.practice_id) if asks else []
        is_imported = job.status is ImportStatus.IMPORTED
        matchable = retry.count_matchable(db, key.practice_id) if is_imported else 0
    report = job.report or {}
    return render_template(
        "imports/show.html",
        job=job,
        report=report,
        names=names,
        matchable=matchable,
        retried_max=retry.RETRIED_MAX,
        status=import_labels.status_of(job.status, job.report),
        sources=import_labels.SOURCE_LABELS,
        mappings=[(one.id, one.name) for one in mappings],
        totals=_totals(report) if "in_file" in report and not totals.only_remittances(report) else [],
        only_remittances=totals.only_remittances(report),
        remittance_totals=totals.total_rows(report.get("x12")),
        words_of_remittance=totals.words_of,
        remittance_postings=totals.posted_rows(report.get("x12"), report.get("receivable")),
        to_post_words=import_labels.to_post_words(report["corrections"]) if "in_file" in report else "",
        redated_words=import_labels.redated_words(report, is_done=is_imported),
        needs_corrections=balance_words.needs_corrections(report),
        has_recognized=balance_words.has_recognized(report),
        not_in_new=balance_words.not_in_new(report, is_ready=job.status is ImportStatus.READY)
        if "in_file" in report
        else "",
        what_is_new=import_labels.what_is_new(report),
        what_matches=import_labels.what_matches(report),
        button_words=import_labels.button_words(report) if "in_file" in report else "",
        identifies_lines="mapping" not in job.options or Mapping.of(job.options["mapping"]).identifies_lines,
        derives_status=_derives_status(job),
        difference=commands.difference_cents(job),
        refused_words=codes.describe_of(job),
        moves=job.status in WORKER_STATUSES,
        waits=job.status is ImportStatus.STAGED and now() - job.received_at > WORKER_EXPECTED_WITHIN,
        can_import=job.status is ImportStatus.READY and import_labels.can_import(report),
        may_discard=(job.status, ImportStatus.DISCARDED) in lifecycle.TRANSITIONS,
        received=received,
        size=sum(file["bytes"] for file in job.files),
        megabytes=megabytes,
    )


def _derives_status(job: ImportJob) -> bool:
    """Return whether the office's own file has no column of billing statuses."""
    mapping = job.options.get("mapping")
    return mapping is not None and Field.BILLING_STATUS.value not in Mapping.of(mapping).columns.values()


def _totals(report: dict[str, Any]) -> list[import_labels.TotalRow]:
    gives_totals = report["source"] == ImportSource.FILE.value
    return import_labels.total_rows(report["in_file"], report["new"], gives_totals=gives_totals)


@blueprint.get(f"/{IMPORT_ID_RULE}/mapping", needs=Action.IMPORT)
def show_mapping(import_id: int) -> str | Response:
    """Show the guessed mapping of the office's own file as a form."""
    job = acts.read(import_queries.find, import_key(import_id))
    if job.status is not ImportStatus.NEEDS_MAPPING or not job.report:
        return _back("This import isn’t waiting for a mapping.", import_id, tone="info")
    return mapping_form.form_of_guess(job.report["guess"], import_id=import_id)


@blueprint.post(f"/{IMPORT_ID_RULE}/mapping", needs=Action.IMPORT)
def use_mapping(import_id: int) -> Response:
    """Use a saved mapping, guess the mapping for a different sheet, or show the columns again."""
    key, sheet = import_key(import_id), request.form.get("sheet")
    try:
        if "different_columns" in request.form:
            job = acts.run(mapping_choice.ask_again, key)
        elif sheet is None:
            job = acts.run(mapping_choice.use_mapping, key, request.form.get("mapping", ""))
        else:
            job = acts.run(mapping_choice.choose_sheet, key, sheet)
    except Refusal as refusal:
        return _back(acts.sentence_on_page(refusal), import_id, tone="bad")
    app_context().hints.import_files(job.practice_id, job.id)
    if "different_columns" in request.form:
        return _back("The columns are being read again.", import_id, tone="info")
    return _back("Sheet chosen." if sheet else "Mapping chosen.", import_id)


@blueprint.get(f"/{IMPORT_ID_RULE}/differences.csv", needs=Action.IMPORT)
def download_differences(import_id: int) -> FlaskResponse:
    """Download every value of existing records that the files change."""
    return import_files.send_list(import_key(import_id), lists.DIFFERENCES, by=current_actor())


@blueprint.get(f"/{IMPORT_ID_RULE}/corrections.csv", needs=Action.IMPORT)
def download_corrections(import_id: int) -> FlaskResponse:
    """Download the corrections for changed postings."""
    return import_files.send_list(import_key(import_id), lists.CORRECTIONS, by=current_actor())


@blueprint.get(f"/{IMPORT_ID_RULE}/new-postings.csv", needs=Action.IMPORT)
def download_new_postings(import_id: int) -> FlaskResponse:
    """Download every new posting on existing claims."""
    return import_files.send_list(import_key(import_id), lists.NEW_POSTINGS, by=current_actor())


@blueprint.get(f"/{IMPORT_ID_RULE}/errors.csv", needs=Action.IMPORT)
def download_faults(import_id: int) -> FlaskResponse:
    """Download the errors that stopped an import, or what it leaves out or warns of."""
    return import_files.send_faults(import_key(import_id), by=current_actor())


@blueprint.post(f"/{IMPORT_ID_RULE}/expected-total", needs=Action.IMPORT)
def set_expected_total(import_id: int) -> Response:
    """Save the A/R total that the office expects, or remove it."""
    typed = request.form.get("expected_total", "").strip()
    try:
        acts.run(commands.set_expected_total, import_key(import_id), parse_amount(typed) if typed else None)
    except Refusal as refusal:
        return _back(acts.sentence_on_page(refusal), import_id, tone="bad")
    return _back("Expected A/R total saved." if typed else "Expected A/R total removed.", import_id)


@blueprint.post(f"/{IMPORT_ID_RULE}/confirm", needs=Action.IMPORT)
def confirm(import_id: int) -> Response:
    """Import the checked files."""
    accepted = {name: name in request.form for name in ("accept_difference", "take_changes", "post_corrections")}
    try:
        job = acts.run(commands.confirm, import_key(import_id), **accepted)
    except Refusal as refusal:
        return _back(acts.sentence_on_page(refusal), import_id, tone="bad")
    app_context().hints.import_files(job.practice_id, job.id)
    # The page itself says that the import is in progress. A message would stay after its end.
    return redirect(url_for("imports.show", import_id=import_id), code=HTTPStatus.SEE_OTHER)


@blueprint.post(f"/{IMPORT_ID_RULE}/discard", needs=Action.IMPORT)
def discard(import_id: int) -> Response:
    """Discard the import."""
    try:
        acts.run(commands.discard, import_key(import_id))
    except Refusal as refusal:
        return _back(acts.sentence_on_page(refusal), import_id, tone="bad")
    return acts.redirect_with("Import discarded. Its files were deleted.", "imports.index")


def _back(message: str, import_id: int, *, tone: str = "good") -> Response:
    return acts.redirect_with(message, "imports.show", tone=tone, import_id=import_id)

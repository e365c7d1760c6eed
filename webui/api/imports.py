"""Imports: announce files, send their pieces, review the check, import or discard."""

from collections.abc import Mapping
from typing import Any, Final, Self

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Action, Actor
from core.db.engine import transaction
from core.enums.imports import ImportSource
from core.intake.uploads import (
    codes,
    commands,
    import_queries,
    lifecycle,
    lists,
    mapping_choice,
    receive,
    report,
)
from core.intake.uploads.lifecycle import ImportKey, NoSuchImport
from core.intake.uploads.receive import UploadedFile
from core.jobs import job_queries
from core.models.imports import ImportJob
from webui.api.blueprint import CSV_FILE, Reply, Tag, api
from webui.api.import_models import (
    ChosenMapping,
    ExpectedTotal,
    ImportAnswer,
    ImportConfirmation,
    ImportsPage,
    NewImport,
)
from webui.api.request_parsing import IdPath, OnceHeaders, Page
from webui.imports.import_files import send_faults, send_list
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor

IMPORTS: Final = Tag(name="Imports", description="Upload files, review the check, import")


class ImportPath(IdPath):
    """The import's ID."""

    missing = NoSuchImport
    import_id: str

    def key(self, actor: Actor) -> ImportKey:
        """Return the import's key in the caller's practice."""
        return ImportKey(actor.practice_id, self.id)


class PiecePath(ImportPath):
    """A piece of a file: the file's place in the list, and the piece's place in the file, both from 0."""

    file: str
    number: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Read it. Raise `NoSuchImport`. A piece that no file has is refused later."""
        return cls(import_id=ImportPath.of(given).import_id, file=given["file"], number=given["number"])

    @property
    def places(self) -> tuple[int, int]:
        """Return the file and the number. Either is -1 if it is not a number."""
        found = (reading.number(typed, most=1_000_000) for typed in (self.file, self.number))
        file, number = (-1 if one is None else one for one in found)
        return file, number


@api.post("/imports", needs=Action.IMPORT, tag=IMPORTS, status=201, problems=[409])
def create_import(header: OnceHeaders, body: NewImport, session: Session) -> Reply[ImportAnswer]:
    """Create an import by announcing its files. Then send their pieces, and `check` them.

    The files are those of docs/import-format.md or of Synthea's CSV export, X12 files, or your own export as one CSV or
    XLSX file, or a zip file that contains them. If your own export has no mapping, a worker uses the saved mapping that
    fits its columns, and `options` names it. If none or several fit, a worker guesses one, and the import is
    `needs_mapping` until you send it. It is also `needs_mapping` if the mapping does not know a value.
    """
    options, source = body.options.model_dump(mode="json") if body.options else {}, body.source
    if body.mapping is not None:
        options |= mapping_choice.choose(session, current_actor().practice_id, body.mapping)
        source = ImportSource.FILE
    job = receive.begin(
        session,
        [UploadedFile(file.name, file.bytes) for file in body.files],
        source=source,
        options=options,
        expected_cents=body.expected_total_cents,
        bytes_max=app_context().settings.import_bytes_max,
        by=current_actor(),
        idempotency_key=header.idempotency_key,
        now=now(),
    )
    answer = import_answer(session, job)
    place = {"Location": url_for("api.show_import", import_id=job.id)}
    return Reply(answer, place)


@api.put(
    "/imports/<import_id>/files/<file>/pieces/<number>", needs=Action.IMPORT, tag=IMPORTS,
    responses={204: {"description": "The piece is stored"}}, problems=[409, 507],
)  # fmt: skip
def put_piece(path: PiecePath, session: Session) -> None:
    """Send one piece of a file as the body, as application/octet-stream. A piece sent again replaces the earlier one.

    Every piece except a file's last has exactly `piece_bytes` bytes. Send the pieces in any order.
    """
    file, number = path.places
    receive.put_piece(
        session, path.key(current_actor()), file=file, number=number, content=request.get_data(),
        by=current_actor(), now=now(),
    )  # fmt: skip


@api.post("/imports/<import_id>/check", needs=Action.IMPORT, tag=IMPORTS, status=202, problems=[409])
def check_import(path: ImportPath) -> ImportAnswer:
    """Have a worker check the files after the last piece. Nothing is imported yet. A second call changes nothing."""
    with transaction(app_context().sessions) as session:
        job = receive.finish(session, path.key(current_actor()), by=current_actor(), now=now())
        answer = import_answer(session, job)
    app_context().hints.import_files(job.practice_id, job.id)
    return answer


@api.get("/imports", needs=Action.IMPORT, tag=IMPORTS)
def list_imports(query: Page, session: Session) -> ImportsPage:
    """List the practice's imports, newest first."""
    jobs = import_queries.list_imports(
        session, current_actor().practice_id, before_id=query.after(), limit=query.limit + 1
    )
    shown, cursor = query.cut(jobs)
    return ImportsPage(imports=[_summary_fields(session, job) for job in shown], next_cursor=cursor)


@api.get("/imports/<import_id>", needs=Action.IMPORT, tag=IMPORTS)
def show_import(path: ImportPath, session: Session) -> ImportAnswer:
    """Show one import with its progress and the report from its check."""
    return import_answer(session, import_queries.find(session, path.key(current_actor())))


@api.put("/imports/<import_id>/mapping", needs=Action.IMPORT, tag=IMPORTS, status=202, problems=[409])
def use_mapping(path: ImportPath, body: ChosenMapping) -> ImportAnswer:
    """Give an import that is `needs_mapping` its mapping, or use a different one for your own export that is `ready`.

    A worker then checks the claims. The report contains the guess, with its open questions.
    """
    answer = _run_command(mapping_choice.use_mapping, path, body.mapping)
    app_context().hints.import_files(current_actor().practice_id, path.id)
    return answer


@api.get("/imports/<import_id>/differences.csv", needs=Action.IMPORT, tag=IMPORTS, file=CSV_FILE)
def download_differences(path: ImportPath) -> Response:
    """Download every change to existing records, with the old and the new value."""
    return send_list(path.key(current_actor()), lists.DIFFERENCES, by=current_actor())


@api.get("/imports/<import_id>/corrections.csv", needs=Action.IMPORT, tag=IMPORTS, file=CSV_FILE)
def download_corrections(path: ImportPath) -> Response:
    """Download the corrections for changed postings, in the columns of `postings.csv`."""
    return send_list(path.key(current_actor()), lists.CORRECTIONS, by=current_actor())


@api.get("/imports/<import_id>/new-postings.csv", needs=Action.IMPORT, tag=IMPORTS, file=CSV_FILE)
def download_new_postings(path: ImportPath) -> Response:
    """Download every new posting on existing claims, with the write-off that it reverses."""
    return send_list(path.key(current_actor()), lists.NEW_POSTINGS, by=current_actor())


@api.get("/imports/<import_id>/faults.csv", needs=Action.IMPORT, tag=IMPORTS, file=CSV_FILE)
def download_faults(path: ImportPath) -> Response:
    """Download the errors that stopped an import, or what it leaves out or warns of.

    It has one row for each location, up to 1,000,000. `problems` of the report is their number.
    """
    return send_faults(path.key(current_actor()), by=current_actor())


@api.put("/imports/<import_id>/expected-total", needs=Action.IMPORT, tag=IMPORTS, problems=[409])
def set_expected_total(path: ImportPath, body: ExpectedTotal) -> ImportAnswer:
    """Set the expected A/R total, or remove it. The check compares it with the files' A/R total."""
    return _run_command(commands.set_expected_total, path, body.expected_total_cents)


@api.post("/imports/<import_id>/confirm", needs=Action.IMPORT, tag=IMPORTS, status=202, problems=[409])
def confirm_import(path: ImportPath, body: ImportConfirmation) -> ImportAnswer:
    """Import the checked files, all or nothing. A worker does it once, even if you confirm again.

    If the practice's data changed since the check, nothing is imported. The import is then `ready` with a new report.
    """
    answer = _run_command(commands.confirm, path, **body.model_dump())
    app_context().hints.import_files(current_actor().practice_id, path.id)
    return answer


@api.post("/imports/<import_id>/discard", needs=Action.IMPORT, tag=IMPORTS, problems=[409])
def discard_import(path: ImportPath) -> ImportAnswer:
    """Discard an import and delete its files. Nothing is imported."""
    return _run_command(commands.discard, path)


def _run_command(command: Any, path: ImportPath, *given: Any, **more: Any) -> ImportAnswer:
    with transaction(app_context().sessions) as session:
        job = command(session, path.key(current_actor()), *given, by=current_actor(), now=now(), **more)
        return import_answer(session, job)


def import_answer(session: Session, job: ImportJob) -> ImportAnswer:
    """Return the import with its report."""
    difference, first_places = commands.difference_cents(job), report.with_first_places(job.report)
    return ImportAnswer(**_summary_fields(session, job), difference_cents=difference, report=first_places)


def _summary_fields(session: Session, job: ImportJob) -> dict[str, Any]:
    names = job_queries.names_of_users(session, job.practice_id, {job.requested_by, job.confirmed_by})
    same = ("status", "source", "options", "requested_at", "phase", "phase_done", "phase_total", "refused_because",
            "checked_at", "confirmed_at", "finished_at")  # fmt: skip
    return {
        **{name: getattr(job, name) for name in same},
        "id": job.id,
        "status_words": lifecycle.STATUS_WORDS[job.status],
        "files": job.files,
        "expected_total_cents": job.expected_cents,
        "requested_by": names.get(job.requested_by),
        "refused_words": codes.describe_of(job) or None,
        "confirmed_by": names.get(job.confirmed_by or 0),
    }

"""How an import of the office's own file gets its mapping: chosen at the upload, or after the worker's guess."""

import datetime as dt
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from core import reading
from core.access import audit, authorize
from core.access.permissions import Action, Actor
from core.db.bounds import BIGINT_MAX
from core.enums.imports import ImportStatus
from core.errors import BadInput
from core.intake.mapping import saved_mappings
from core.intake.mapping.guess import NoHeader, UnreadableOfficeFile, guess_mapping
from core.intake.mapping.guessed import Guess
from core.intake.mapping.mapping import Mapping
from core.intake.mapping.saved_mappings import MappingChanged
from core.intake.parsing.faults import Fault, FaultKind, Faults
from core.intake.uploads import lifecycle
from core.intake.uploads.lifecycle import ImportKey
from core.models.import_mappings import ImportMapping
from core.models.imports import ImportJob

Chosen = dict[str, Any]  # `mapping`, and `mapping_id` and `mapping_name` if it is saved
_CHOICE: Final = ("mapping", "mapping_id", "mapping_name", "mapping_recognized", "sheet", "show_columns", "shown_first")


class NoSuchSheet(BadInput):
    """The workbook has no sheet of claims with that name. Choose one from the list."""


def choose(session: Session, practice_id: int, given: str | dict[str, Any]) -> Chosen:
    """Return the options of an import with a saved mapping, by its name or ID, or with a mapping as JSON.

    Raise `NoSuchMapping`, and `BadMapping` with every open question.
    """
    if isinstance(given, str):
        number = reading.number(given, most=BIGINT_MAX)
        is_id = number is not None and any(
            one.id == number for one in saved_mappings.list_mappings(session, practice_id)
        )
        if is_id and number is not None:
            return of_saved(saved_mappings.find_mapping(session, practice_id, number))
        return of_saved(saved_mappings.find_mapping_by_name(session, practice_id, given))
    mapping = Mapping.of(given)
    mapping.require_usable()
    return {"mapping": mapping.as_json()}


def of_saved(saved: ImportMapping) -> Chosen:
    """Return the options of an import with this mapping. It is copied, because a user may change it."""
    return {"mapping": saved.mapping, "mapping_id": saved.id, "mapping_name": saved.name}


def use_mapping(
    session: Session, key: ImportKey, given: str | dict[str, Any], *, by: Actor, now: dt.datetime
) -> ImportJob:
    """Give a waiting import its mapping, or a checked one a different mapping. A worker then checks the claims.

    Raise what `choose` raises, and `WrongImportStatus`.
    """
    job = _lock(session, key, by, ImportStatus.NEEDS_MAPPING, ImportStatus.READY)
    return _proceed(session, job, choose(session, key.practice_id, given), by=by, now=now)


def save_and_use(
    session: Session, key: ImportKey, *, name: str, mapping: Mapping, replace: bool, by: Actor, now: dt.datetime
) -> ImportJob:
    """Save the mapping under a name and give it to the waiting import. Raise what `save_mapping` raises.

    If the import already has the saved mapping of this name, that mapping is changed. Raise `MappingChanged` if another
    user has changed it since the import took its copy.
    """
    job = _lock(session, key, by, ImportStatus.NEEDS_MAPPING)
    mapping_id = job.options.get("mapping_id")
    names = {one.id: one.name for one in saved_mappings.list_mappings(session, key.practice_id)}
    if mapping_id is not None and names.get(mapping_id) == " ".join(name.split()):
        copied = saved_mappings.version_of(Mapping.of(job.options["mapping"]))
        try:
            saved = saved_mappings.change_mapping(
                session, mapping_id, name=name, mapping=mapping, version=copied, by=by, now=now
            )
        except MappingChanged:
            raise MappingChanged(
                "Another user changed this mapping after this import began to use it. Choose it again on the "
                "import page, or save your answers under a different name."
            ) from None
    else:
        saved = saved_mappings.save_mapping(
            session, key.practice_id, name=name, mapping=mapping, replace=replace, by=by, now=now
        )
    return _proceed(session, job, of_saved(saved), by=by, now=now)


def choose_sheet(session: Session, key: ImportKey, sheet: str, *, by: Actor, now: dt.datetime) -> ImportJob:
    """Let a worker guess the mapping of a different sheet. Raise `NoSuchSheet` and `WrongImportStatus`."""
    job = _lock(session, key, by, ImportStatus.NEEDS_MAPPING)
    if sheet not in ((job.report or {}).get("guess") or {}).get("sheets", ()):
        raise NoSuchSheet
    return _proceed(session, job, {"sheet": sheet, "show_columns": True}, by=by, now=now)


def ask_again(session: Session, key: ImportKey, *, by: Actor, now: dt.datetime) -> ImportJob:
    """Let a user map the columns of a checked import again. Its files stay. Raise `WrongImportStatus`."""
    job = _lock(session, key, by, ImportStatus.READY)
    shown = {name: job.options[name] for name in ("mapping", "mapping_name") if name in job.options}
    return _proceed(session, job, {"show_columns": True, "shown_first": shown}, by=by, now=now)


def guess(path: Path, *, sheet: str | None, today: dt.date, faults: Faults) -> Guess:
    """Return the guessed mapping and its questions. Raise `ImportRefused` if the file cannot be read."""
    try:
        return guess_mapping(path, today=today, sheet=sheet)
    except (NoHeader, UnreadableOfficeFile) as refusal:
        cure = refusal.facts.get("cure", refusal.message.rstrip("."))
        faults.add(Fault(path.name, cure, line=refusal.facts.get("line"), kind=FaultKind.STRUCTURE))
        faults.refuse_if_any()
        raise


def _lock(session: Session, key: ImportKey, by: Actor, *statuses: ImportStatus) -> ImportJob:
    """Lock an import in one of these statuses. If it does not wait for a mapping, it must have one."""
    if key.practice_id != by.practice_id:
        raise lifecycle.NoSuchImport
    authorize.require_current_role(session, by, Action.IMPORT)
    job = lifecycle.lock(session, key)
    waits = job.status is ImportStatus.NEEDS_MAPPING
    if job.status not in statuses or not (waits or "mapping" in job.options):
        raise lifecycle.wrong_status(job, "use a mapping")
    return job


def _proceed(session: Session, job: ImportJob, chosen: Chosen, *, by: Actor, now: dt.datetime) -> ImportJob:
    key = lifecycle.key_of(job)
    options = {name: value for name, value in job.options.items() if name not in _CHOICE} | chosen
    moved = lifecycle.transition(
        session, key, source=job.status, target=ImportStatus.STAGED, options=options, attempts=0,
        received_at=now, report=None,
    )  # fmt: skip
    assert moved, "the row is locked"
    if "mapping" in chosen:
        audit.record(session, "import.mapped", key.subject(), by=by, now=now, mapping_id=chosen.get("mapping_id"))
    session.refresh(job)
    return job

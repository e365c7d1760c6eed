"""When an import of the office's own file waits until a user says what a column or a value means."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.enums.imports import ImportSource, ImportStatus
from core.intake.mapping import new_words, saved_fit, saved_mappings
from core.intake.mapping.mapping import Mapping
from core.intake.parsing.faults import Fault, FaultKind, Faults, Mistake
from core.intake.uploads import lifecycle, mapping_choice
from core.intake.uploads.progress import ImportStopped
from core.models.imports import ImportJob
from core.models.practices import BillingStatus
from core.practices import practice_days, practice_queries


def asks_for_mapping(
    session: Session, job: ImportJob, folder: Path, names: list[str], found: dict[str, Any], *, now: dt.datetime
) -> bool:
    """Use the only saved mapping that fits the file, or wait until a user confirms the guess. Return whether it waits.

    Raise `ImportRefused` if there are several files or the file cannot be read, and `ImportStopped`.
    """
    faults = Faults()
    for name in names[1:]:
        cure = "your own export must be one file; upload each file separately"
        faults.add(Fault(name, cure, kind=FaultKind.STRUCTURE))
    faults.refuse_if_any()
    if "mapping" in job.options:
        return False
    today = practice_days.today(practice_queries.find(session, job.practice_id), now=now)
    guess = mapping_choice.guess(folder / names[0], sheet=job.options.get("sheet"), today=today, faults=faults)
    if not job.options.get("show_columns"):
        saved = saved_fit.only_fitting(guess, saved_mappings.list_mappings(session, job.practice_id))
        if saved is not None:
            job.options = {**job.options, **mapping_choice.of_saved(saved), "mapping_recognized": True}
            return False
    facts = guess.facts()
    if "shown_first" in job.options:
        used = Mapping.of(job.options["shown_first"]["mapping"])
        facts = saved_fit.read_through(guess, used).facts() | {
            "mapping_name": job.options["shown_first"].get("mapping_name")
        }
    _wait(session, job, {**found, "guess": facts}, now=now)
    return True


def asks_for_words(
    session: Session,
    job: ImportJob,
    folder: Path,
    found: dict[str, Any],
    mistakes: Sequence[Mistake],
    *,
    now: dt.datetime,
) -> bool:
    """Wait until a user says what new values mean, if these are all that the file lacks. Return whether it waits.

    Raise `ImportStopped`.
    """
    is_check = job.status is ImportStatus.CHECKING and found.get("source") == ImportSource.FILE.value
    if not is_check or "mapping" not in job.options or not new_words.are_all_new_words(mistakes):
        return False
    mapping = Mapping.of(job.options["mapping"])
    here = select(BillingStatus.name).where(BillingStatus.practice_id == job.practice_id)
    words = new_words.find_new_words(
        folder / found["read"][0]["name"], mapping, statuses=set(session.scalars(here)),
        today=practice_days.today(practice_queries.find(session, job.practice_id), now=now),
    )  # fmt: skip
    if not 0 < sum(map(len, words.values())) <= new_words.ASKED_MAX:
        return False
    asked = saved_fit.without_file(mapping)
    shown = {field: [*new, *asked.words.get(field, ())] for field, new in words.items()}
    guess = replace(asked, questions=new_words.questions(words, mapping), words={**asked.words, **shown})
    facts = {**guess.facts(), "mapping_name": job.options.get("mapping_name")}
    _wait(session, job, {**found, "guess": facts}, now=now)
    return True


def _wait(session: Session, job: ImportJob, report: dict[str, Any], *, now: dt.datetime) -> None:
    """Let the import wait for a user. Raise `ImportStopped` if a user has discarded it."""
    values = {"files": job.files, "options": job.options, "report": report, "phase": None, "checked_at": now}
    if not lifecycle.transition(
        session, lifecycle.key_of(job), source=ImportStatus.CHECKING, target=ImportStatus.NEEDS_MAPPING, **values
    ):
        raise ImportStopped

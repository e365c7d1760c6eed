"""Decide about a checked import of a watched folder: import it, discard it, or tell its user that it waits."""

import datetime as dt
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.enums.imports import ImportStatus
from core.enums.notices import EventKind, NoticeKind
from core.intake.uploads import commands, lifecycle
from core.models.imports import ImportJob
from core.models.notices import Event
from core.notices.record import notify, record_events


def decide_ready(session: Session, job: ImportJob, *, by: Actor, imports: bool, now: dt.datetime) -> None:
    """Import it if the practice chose that and nothing needs a user. Discard it if there is nothing to import."""
    report = job.report or {}
    if needs_user(report) or not (imports or report["nothing_new"]):
        tell_user(session, job, now=now)
    elif report["nothing_new"]:
        job.options = {**job.options, "nothing_new": True}
        session.flush()
        commands.discard(session, lifecycle.key_of(job), by=by, now=now)
    else:
        commands.confirm(session, lifecycle.key_of(job), by=by, now=now, by_folder=True)


def needs_user(report: dict[str, Any]) -> bool:
    """Return whether a user must look at the check: a warning, a change to existing records, or a correction.

    A held answer does not need that: nothing of it is posted, and it waits on the Remittances page.
    """
    corrections = report["corrections"]
    return bool(
        report["warnings"] or report["differences"]["count"] or corrections["changed"] or corrections["missing"]
        or corrections["to_post"] or report["held_back"] or report.get("changed_since_check")
    )  # fmt: skip


def tell_user(session: Session, job: ImportJob, *, now: dt.datetime) -> None:
    """Give the user one notice that the import waits, or that it was stopped."""
    facts = {"import_id": job.id, "is_stopped": job.status is ImportStatus.REFUSED}
    kind = EventKind.IMPORT_NEEDS_USER
    same = (Event.practice_id == job.practice_id, Event.kind == kind, Event.facts == facts)
    if session.scalar(select(exists().where(*same))):
        return
    made = record_events(session, [kind], facts, practice_id=job.practice_id, now=now)
    notify(session, made[kind], NoticeKind.IMPORT, [job.requested_by], practice_id=job.practice_id, now=now)

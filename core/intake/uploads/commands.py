"""What users do with an uploaded import: set the expected total, import, discard. Old imports expire."""

import datetime as dt
from http import HTTPStatus
from typing import Final

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from core.access import audit, authorize
from core.access.permissions import Action, Actor
from core.db import scope
from core.enums.imports import ImportStatus
from core.errors import BadInput, Refusal
from core.intake.loading.take_changes import may_end_legal_holds
from core.intake.uploads import lifecycle
from core.intake.uploads.lifecycle import ImportKey
from core.intake.uploads.lists import CORRECTIONS, DIFFERENCES, NEW_POSTINGS
from core.models.imports import ImportJob
from core.money import CENTS_MAX, format_cents

UPLOAD_EXPIRES_AFTER: Final = dt.timedelta(days=1)  # without a new piece: the browser was closed
READY_EXPIRES_AFTER: Final = dt.timedelta(days=7)  # without being confirmed

S = ImportStatus


class NothingNew(Refusal):
    """The practice already has every row in these files. There is nothing to import."""


class OnlyLegalHolds(Refusal):
    """Every change in these files ends a legal hold. Only an administrator can apply it. Nothing was changed."""

    code = "legal_hold"
    http_status = HTTPStatus.FORBIDDEN


class TotalsDiffer(Refusal):
    """The files' A/R total differs from the expected one."""


class BadExpectedTotal(BadInput):
    """Enter the expected A/R total in dollars and cents, such as 1234.56."""


def set_expected_total(
    session: Session, key: ImportKey, cents: int | None, *, by: Actor, now: dt.datetime
) -> ImportJob:
    """Set the A/R total that the office expects, in cents, or remove it. Raise `BadExpectedTotal`."""
    if cents is not None and abs(cents) > CENTS_MAX:
        raise BadExpectedTotal
    job = _lock(session, key, by)
    if job.status not in (S.UPLOADING, S.STAGED, S.CHECKING, S.NEEDS_MAPPING, S.READY):
        raise lifecycle.wrong_status(job, "take a new expected total")
    if job.expected_cents != cents:
        audit.record(
            session, "import.total_set", key.subject(), by=by, now=now,
            old_cents=job.expected_cents, new_cents=cents,
        )  # fmt: skip
        job.expected_cents = cents
    return job


def confirm(
    session: Session,
    key: ImportKey,
    *,
    accept_difference: bool = False,
    take_changes: bool = False,
    post_corrections: bool = False,
    by_folder: bool = False,
    by: Actor,
    now: dt.datetime,
) -> ImportJob:
    """Let a worker import the checked files. A second call changes nothing.

    On request, the worker also applies the changes to existing records, or posts the corrections. `by_folder`: the
    practice chose that a watched folder does this for the user.

    Changes that end a legal hold are left out unless the user may end one. Raise `NothingNew`, `OnlyLegalHolds`,
    `WrongImportStatus`, and `TotalsDiffer` unless the difference is accepted.
    """
    job = _lock(session, key, by)
    if job.status in (S.IMPORTING, S.IMPORTED):
        return job
    if job.status is not S.READY or job.report is None:
        raise lifecycle.wrong_status(job, "be imported")
    found = job.report["differences"]  # an earlier version did not count legal holds
    kept = 0 if may_end_legal_holds(by) else found.get("legal_holds", 0)
    takes = take_changes and found["count"] > kept
    correctable = job.report["corrections"].get("to_post", 0) if post_corrections else 0
    if job.report["nothing_new"] and not takes and not correctable:
        raise OnlyLegalHolds if take_changes and kept else NothingNew
    differs = difference_cents(job)
    if differs and not accept_difference:
        raise TotalsDiffer(
            f"The files' A/R total differs from the expected A/R total by {format_cents(differs)}. "
            "Correct the files or the total, or accept the difference.",
            difference_cents=differs,
        )
    moved = lifecycle.transition(
        session, key, source=S.READY, target=S.IMPORTING, confirmed_by=by.user_id, confirmed_at=now, attempts=0,
        options={**job.options, "take_changes": takes, "post_corrections": correctable > 0},
    )  # fmt: skip
    assert moved, "the row is locked"
    taken = {"changes": found["count"] - kept} if takes else {}
    taken |= {"corrections": correctable} if correctable else {}
    taken |= {"by_folder": 1} if by_folder else {}
    audit.record(session, "import.confirmed", key.subject(), by=by, now=now, difference_cents=differs, **taken)
    session.refresh(job)
    return job


def difference_cents(job: ImportJob) -> int | None:
    """Return how far the files' A/R total is above the expected one, in cents, or None if one is unknown."""
    if job.expected_cents is None or not job.report or "in_file" not in job.report:
        return None
    return int(job.report["in_file"]["total_cents"] - job.expected_cents)


def discard(session: Session, key: ImportKey, *, by: Actor, now: dt.datetime) -> ImportJob:
    """Discard the import and delete its files. A second call changes nothing. Raise `WrongImportStatus`."""
    job = _lock(session, key, by)
    if job.status is S.DISCARDED:
        return job
    if (job.status, S.DISCARDED) not in lifecycle.TRANSITIONS:
        raise lifecycle.wrong_status(job, "be discarded")
    was = job.status
    moved = lifecycle.transition(session, key, source=was, target=S.DISCARDED, finished_at=now, report=None)
    assert moved, "the row is locked"
    if was is S.CHECKING:
        lifecycle.stop_worker(session, key.practice_id)
    audit.record(session, "import.discarded", key.subject(), by=by, now=now, was=was.value)
    session.refresh(job)
    return job


def authorize_download(session: Session, key: ImportKey, what: str, *, by: Actor, now: dt.datetime) -> None:
    """Record that the user downloads the errors or a list. Raise `NoSuchImport` and `NotAllowed`."""
    _lock(session, key, by)
    act = "import.errors_downloaded"
    if what == DIFFERENCES:
        act = "import.differences_downloaded"
    elif what == CORRECTIONS:
        act = "import.corrections_downloaded"
    elif what == NEW_POSTINGS:
        act = "import.new_postings_downloaded"
    audit.record(session, act, key.subject(), by=by, now=now)


def expire(session: Session, *, now: dt.datetime) -> int:
    """Discard uploads that stopped a day ago, and imports not confirmed within a week. Return how many."""
    stopped = and_(ImportJob.status == S.UPLOADING, ImportJob.received_at <= now - UPLOAD_EXPIRES_AFTER)
    waits = ImportJob.status.in_((S.NEEDS_MAPPING, S.READY))
    unconfirmed = and_(waits, ImportJob.checked_at <= now - READY_EXPIRES_AFTER)
    old = select(ImportJob).where(or_(stopped, unconfirmed)).order_by(ImportJob.practice_id, ImportJob.id)
    found = session.scalars(old.limit(10).with_for_update(key_share=True, skip_locked=True)).all()
    for job in found:
        key, was = lifecycle.key_of(job), job.status
        scope.set_practice(session, key.practice_id)
        lifecycle.transition(session, key, source=was, target=S.DISCARDED, finished_at=now, report=None)
        audit.record(session, "import.expired", key.subject(), by=None, now=now, was=was.value)
    return len(found)


def _lock(session: Session, key: ImportKey, by: Actor) -> ImportJob:
    if key.practice_id != by.practice_id:
        raise lifecycle.NoSuchImport
    authorize.require_current_role(session, by, Action.IMPORT)
    return lifecycle.lock(session, key)

"""Exclusions: patients and payers whose claims are temporarily not written off.

The rules read the exclusions that are active on a day; claims are not changed. A chunk rereads them under a shared
lock. A new exclusion waits for that lock, so nothing is written off after it commits.
"""

import datetime as dt
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, func, insert, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from core import reading
from core.access import audit
from core.access.audit import Subject
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotFound, Refusal
from core.models.people import User
from core.models.practices import Exclusion, Patient, Payer, Practice
from core.practices import practice_days

ACTIVE_MAX: Final = 10_000  # for each practice at a time, because every rule check includes them

_SHARED_LOCK: Final = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('exclusions', :practice_id))")
_EXCLUSIVE_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('exclusions', :practice_id))")


class BadExclusion(BadInput):
    """The exclusion is not valid."""


class AlreadyExcluded(Refusal):
    """This patient or payer is already excluded. End that exclusion first to change it."""

    http_status = HTTPStatus.CONFLICT


class TooManyExclusions(Refusal):
    """A practice can have at most 10,000 active exclusions. End some first."""


class ActiveExclusions(NamedTuple):
    """The patients and payers excluded on a day, by internal ids."""

    patient_ids: tuple[int, ...] = ()
    payer_ids: tuple[int, ...] = ()


NO_EXCLUSIONS: Final = ActiveExclusions()


class NoSuchExclusion(NotFound):
    """This practice has no exclusion with that number."""


class ExclusionRow(NamedTuple):
    """One exclusion, for pages, API and commands."""

    id: int
    patient: str | None  # the practice's own ID for the patient …
    payer: str | None  # … or for the payer
    name: str
    reason: str
    until: dt.date | None
    created_by: str
    created_at: dt.datetime
    ended_by: str | None
    ended_at: dt.datetime | None
    lasts: bool


def _is_active(on: dt.date | BindParameter[dt.date]) -> ColumnElement[bool]:
    return and_(Exclusion.ended_at.is_(None), or_(Exclusion.until.is_(None), Exclusion.until >= on))


# Built once, because every chunk runs it.
_ACTIVE: Final = (
    select(Exclusion.patient_id, Exclusion.payer_id)
    .where(Exclusion.practice_id == bindparam("of_practice"), _is_active(bindparam("on")))
    .order_by(Exclusion.id)
)


def active_exclusions(session: Session, practice_id: int, *, on: dt.date) -> ActiveExclusions:
    """Return the exclusions that are active on the day `on`."""
    found = session.execute(_ACTIVE, {"of_practice": practice_id, "on": on}).all()
    return ActiveExclusions(
        tuple(patient for patient, _ in found if patient is not None),
        tuple(payer for _, payer in found if payer is not None),
    )


def lock_active_exclusions(session: Session, practice_id: int, *, on: dt.date) -> ActiveExclusions:
    """Return the active exclusions, under a shared lock that blocks new ones until commit."""
    session.execute(_SHARED_LOCK, {"practice_id": practice_id})
    # in a separate statement, so that it sees what was committed while we waited for the lock
    return active_exclusions(session, practice_id, on=on)


def exclude(
    session: Session,
    *,
    patient: str | None = None,
    payer: str | None = None,
    reason: str,
    until: dt.date | None = None,
    by: Actor,
    now: dt.datetime,
) -> int:
    """Exclude a patient or a payer (the practice's own number) through the day `until`. Return the exclusion's id.

    Wait for chunks that are being settled. Raise `BadExclusion` naming each fault, `AlreadyExcluded` and
    `TooManyExclusions`.
    """
    by.require(Action.EXCLUDE)
    today = practice_days.today(session.get_one(Practice, by.practice_id), now=now)
    whom = _check(session, by.practice_id, patient, payer, reason=reason, until=until, today=today)
    session.execute(_EXCLUSIVE_LOCK, {"practice_id": by.practice_id})
    of_practice = Exclusion.practice_id == by.practice_id
    same = and_(of_practice, *(getattr(Exclusion, column) == number for column, number in whom.items()))
    # Close an expired exclusion to make room for the new one. No user ended it; it expired after its last day.
    lapsed = update(Exclusion).where(same, Exclusion.ended_at.is_(None), Exclusion.until < today)
    session.execute(lapsed.values(ended_at=now))
    if session.scalar(select(Exclusion.id).where(same, Exclusion.ended_at.is_(None))) is not None:
        raise AlreadyExcluded
    if session.scalars(select(func.count()).where(of_practice, _is_active(today))).one() >= ACTIVE_MAX:
        raise TooManyExclusions
    created = {"practice_id": by.practice_id, "created_by": by.user_id, "created_at": now}
    values = {**created, **whom, "reason": reason.strip(), "until": until}
    number = session.scalars(insert(Exclusion).values(values).returning(Exclusion.id)).one()
    own_number = {"patient": patient.strip()} if patient else {"payer": (payer or "").strip()}
    _record(session, "exclusion.made", number, by, now, **own_number, until=until.isoformat() if until else None)
    return number


def end(session: Session, exclusion_id: int, *, by: Actor, now: dt.datetime) -> None:
    """End an exclusion. Repeating changes nothing. Raise `NoSuchExclusion`."""
    by.require(Action.EXCLUDE)
    this = (Exclusion.practice_id == by.practice_id, Exclusion.id == exclusion_id)
    if session.scalar(select(Exclusion.id).where(*this)) is None:
        raise NoSuchExclusion
    ended = update(Exclusion).where(*this, Exclusion.ended_at.is_(None)).values(ended_by=by.user_id, ended_at=now)
    if session.scalar(ended.returning(Exclusion.id)) is not None:
        _record(session, "exclusion.ended", exclusion_id, by, now)


def list_exclusions(
    session: Session,
    practice_id: int,
    *,
    today: dt.date,
    lasting_only: bool = True,
    patient_id: int | None = None,
    payer_ids: Sequence[int] | None = None,
    before_id: int | None = None,
    limit: int | None = None,
) -> list[ExclusionRow]:
    """Return the practice's exclusions, newest first, optionally only for one claim's patient and payers."""
    created_by, ended_by = aliased(User), aliased(User)
    lasts = _is_active(today)
    found = (
        select(
            Exclusion.id, Patient.external_id, Payer.external_id, func.coalesce(Patient.name, Payer.name),
            Exclusion.reason, Exclusion.until, created_by.name, Exclusion.created_at, ended_by.name,
            Exclusion.ended_at, lasts,
        )
        .outerjoin(Patient, and_(Patient.practice_id == Exclusion.practice_id, Patient.id == Exclusion.patient_id))
        .outerjoin(Payer, and_(Payer.practice_id == Exclusion.practice_id, Payer.id == Exclusion.payer_id))
        .join(created_by, created_by.id == Exclusion.created_by)
        .outerjoin(ended_by, ended_by.id == Exclusion.ended_by)
        .where(Exclusion.practice_id == practice_id)
        .order_by(Exclusion.id.desc())
    )  # fmt: skip
    if lasting_only:
        found = found.where(lasts)
    if patient_id is not None or payer_ids is not None:
        found = found.where(or_(Exclusion.patient_id == patient_id, Exclusion.payer_id.in_(payer_ids or ())))
    if before_id is not None:
        found = found.where(Exclusion.id < before_id)
    return [ExclusionRow(*row) for row in session.execute(found.limit(limit))]


def _check(
    session: Session,
    practice_id: int,
    patient: str | None,
    payer: str | None,
    *,
    reason: str,
    until: dt.date | None,
    today: dt.date,
) -> dict[str, int]:
    """Return the column and id of the excluded patient or payer."""
    faults: dict[str, str] = {}
    whom: dict[str, int] = {}
    if (patient is None) == (payer is None):
        faults["whom"] = "Choose either a patient or a payer."
    else:
        is_patient = patient is not None
        table, column, word = (Patient, "patient_id", "patient") if is_patient else (Payer, "payer_id", "payer")
        number = (patient or payer or "").strip()
        of_number = (table.practice_id == practice_id, table.external_id == number)
        found = session.scalar(select(table.id).where(*of_number)) if "\x00" not in number else None
        if found is None:
            faults["whom"] = f"This practice has no {word} with this ID."
        else:
            whom[column] = found
    if fault := reason_fault(reason, needed=True):
        faults["why"] = fault
    if until is not None and until < today:
        faults["until"] = "The last day cannot be in the past."
    if faults:
        raise BadExclusion(reading.join_faults(faults), faults=faults)
    return whom


def reason_fault(reason: str, *, needed: bool) -> str | None:
    """Return what is wrong with a reason, or None if nothing is."""
    if needed and not reason.strip():
        return "Enter a reason. It is the only record of why."
    if not reading.is_valid_note(reason.strip(), least=0):
        return f"Use at most {reading.NOTE_CHARACTERS_MAX} characters."
    return None


def _record(session: Session, act: str, number: int, by: Actor, now: dt.datetime, **facts: Any) -> None:
    subject = Subject.of("exclusion", number, practice_id=by.practice_id)
    audit.record(session, act, subject, by=by, now=now, **facts)

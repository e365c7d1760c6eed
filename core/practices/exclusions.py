"""Patients and payers whose claims are never written off while it lasts.

The rules read who is excluded on a day (`lasting`); no claim is touched. A chunk that is settled reads it again under a
lock that it shares with others and that whoever excludes waits for: once an exclusion is made, nothing is written off.
"""

import datetime as dt
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from core import reading
from core.access import audit
from core.access.permissions import Action, Actor
from core.errors import BadInput, NotFound, Refusal
from core.models.people import User
from core.models.practices import Exclusion, Patient, Payer, Practice
from core.practices import practice_days

LASTING_MAX: Final = 10_000  # of one practice at a time: every question of the rules carries them along

_SHARED: Final = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('exclusions', :practice_id))")
_ALONE: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('exclusions', :practice_id))")


class BadExclusion(BadInput):
    """The exclusion is not as it must be."""

    code = "bad_exclusion"


class AlreadyExcluded(Refusal):
    """This is excluded already; end that exclusion first to change it."""

    code = "already_excluded"
    http_status = HTTPStatus.CONFLICT


class TooManyExclusions(Refusal):
    """A practice has at most 10,000 exclusions that last; end some first."""

    code = "too_many_exclusions"


class Excluded(NamedTuple):
    """Who is excluded on a day, by internal ids."""

    patient_ids: tuple[int, ...] = ()
    payer_ids: tuple[int, ...] = ()


NOBODY: Final = Excluded()


class NoSuchExclusion(NotFound):
    """There is no such exclusion in this practice."""


class ExclusionRow(NamedTuple):
    """One exclusion, as people see it."""

    id: int
    patient: str | None  # the practice's own number of the patient …
    payer: str | None  # … or of the payer
    name: str
    why: str
    until: dt.date | None
    made_by: str
    made_at: dt.datetime
    ended_by: str | None
    ended_at: dt.datetime | None
    lasts: bool


def lasting(session: Session, practice_id: int, *, on: dt.date) -> Excluded:
    """Who is excluded on the day `on`."""
    found = session.execute(
        select(Exclusion.patient_id, Exclusion.payer_id)
        .where(Exclusion.practice_id == practice_id, _lasts(on))
        .order_by(Exclusion.id)
    ).all()
    return Excluded(
        tuple(patient for patient, _ in found if patient is not None),
        tuple(payer for _, payer in found if payer is not None),
    )


def lasting_for_run(session: Session, practice_id: int, *, on: dt.date) -> Excluded:
    """The same, kept until the commit: whoever excludes now waits for it."""
    session.execute(_SHARED, {"practice_id": practice_id})
    return lasting(session, practice_id, on=on)  # in a statement of its own: it sees what the lock waited for


def exclude(
    session: Session,
    *,
    patient: str | None = None,
    payer: str | None = None,
    why: str,
    until: dt.date | None = None,
    by: Actor,
    now: dt.datetime,
) -> int:
    """Exclude a patient or a payer (the practice's own number) through the day `until`; give the exclusion's id.

    Waits for chunks that are being settled. Raises `BadExclusion` naming each fault, `AlreadyExcluded` and
    `TooManyExclusions`.
    """
    by.require(Action.EXCLUDE)
    today = practice_days.today(session.get_one(Practice, by.practice_id), now=now)
    whom = _check(session, by.practice_id, patient, payer, why=why, until=until, today=today)
    session.execute(_ALONE, {"practice_id": by.practice_id})
    of_practice = Exclusion.practice_id == by.practice_id
    same = and_(of_practice, *(getattr(Exclusion, column) == number for column, number in whom.items()))
    # What has lapsed by itself makes room; it ended with its last day, and nobody ended it.
    lapsed = update(Exclusion).where(same, Exclusion.ended_at.is_(None), Exclusion.until < today)
    session.execute(lapsed.values(ended_at=now))
    if session.scalar(select(Exclusion.id).where(same, Exclusion.ended_at.is_(None))) is not None:
        raise AlreadyExcluded
    if session.scalars(select(func.count()).where(of_practice, _lasts(today))).one() >= LASTING_MAX:
        raise TooManyExclusions
    made = {"practice_id": by.practice_id, "why": why.strip(), "until": until, "made_by": by.user_id, "made_at": now}
    number = session.scalars(insert(Exclusion).values(**made, **whom).returning(Exclusion.id)).one()
    own_number = {"patient": patient.strip()} if patient else {"payer": (payer or "").strip()}
    _record(session, "exclusion.made", number, by, now, **own_number, until=until.isoformat() if until else None)
    return number


def end(session: Session, exclusion_id: int, *, by: Actor, now: dt.datetime) -> None:
    """End an exclusion; one that has ended stays as it is. Raises `NoSuchExclusion`."""
    by.require(Action.EXCLUDE)
    this = (Exclusion.practice_id == by.practice_id, Exclusion.id == exclusion_id)
    if session.scalar(select(Exclusion.id).where(*this)) is None:
        raise NoSuchExclusion
    ended = update(Exclusion).where(*this, Exclusion.ended_at.is_(None)).values(ended_by=by.user_id, ended_at=now)
    if session.scalar(ended.returning(Exclusion.id)) is not None:
        _record(session, "exclusion.ended", exclusion_id, by, now)


def listed(
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
    """The practice's exclusions, the newest first; of one claim's patient and payers where these are given."""
    made_by, ended_by = aliased(User), aliased(User)
    lasts = _lasts(today)
    found = (
        select(
            Exclusion.id, Patient.external_id, Payer.external_id, func.coalesce(Patient.name, Payer.name),
            Exclusion.why, Exclusion.until, made_by.name, Exclusion.made_at, ended_by.name, Exclusion.ended_at, lasts,
        )
        .outerjoin(Patient, and_(Patient.practice_id == Exclusion.practice_id, Patient.id == Exclusion.patient_id))
        .outerjoin(Payer, and_(Payer.practice_id == Exclusion.practice_id, Payer.id == Exclusion.payer_id))
        .join(made_by, made_by.id == Exclusion.made_by)
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


def _lasts(on: dt.date) -> ColumnElement[bool]:
    return and_(Exclusion.ended_at.is_(None), or_(Exclusion.until.is_(None), Exclusion.until >= on))


def _check(
    session: Session,
    practice_id: int,
    patient: str | None,
    payer: str | None,
    *,
    why: str,
    until: dt.date | None,
    today: dt.date,
) -> dict[str, int]:
    """The column and id of whom it is about."""
    faults: dict[str, str] = {}
    whom: dict[str, int] = {}
    if (patient is None) == (payer is None):
        faults["whom"] = "Name a patient or a payer, one of the two."
    else:
        table, column, word = (Patient, "patient_id", "patient") if patient else (Payer, "payer_id", "payer")
        number = (patient or payer or "").strip()
        of_number = (table.practice_id == practice_id, table.external_id == number)
        found = session.scalar(select(table.id).where(*of_number)) if "\x00" not in number else None
        if found is None:
            faults["whom"] = f"This practice has no {word} with this number."
        else:
            whom[column] = found
    if fault := fault_of_why(why, needed=True):
        faults["why"] = fault
    if until is not None and until < today:
        faults["until"] = "The last day cannot be in the past."
    if faults:
        raise BadExclusion(reading.sentence(faults), faults=faults)
    return whom


def fault_of_why(why: str, *, needed: bool) -> str | None:
    """What is wrong with a reason in words; None where nothing is."""
    if needed and not why.strip():
        return "Say why: whoever reads it later has only these words."
    if not reading.can_keep(why.strip(), least=0):
        return f"At most {reading.NOTE_CHARACTERS_MAX} characters."
    return None


def _record(session: Session, act: str, number: int, by: Actor, now: dt.datetime, **facts: Any) -> None:
    subject = f"exclusion:{number}"
    audit.record(session, act, practice_id=by.practice_id, subject=subject, by=by.user_id, now=now, **facts)

"""Put a claim on hold, with user, reason and last day; release it; list the claims on hold.

A hold ends after its last day: `core.policy.facts.is_held` compares the day, so no job has to clear expired holds.
"""

import datetime as dt
from typing import Final, NamedTuple

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core import reading
from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import locks, lookup
from core.enums.claims import Hold
from core.errors import BadInput, NotAllowed
from core.models.claims import Claim
from core.models.people import User
from core.models.practices import Patient, Practice
from core.policy import facts
from core.practices import practice_days
from core.practices.exclusions import reason_fault

PAGE_CLAIMS_MAX: Final = 200


class BadHold(BadInput):
    """The hold is not valid."""


class LegalHold(NotAllowed):
    """Only an administrator can change or release a legal hold."""


class HeldClaim(NamedTuple):
    """A claim with a current hold."""

    claim_id: str  # the practice's own number
    id: int  # internal id, for the next page
    patient: str
    hold: Hold
    reason: str | None
    until: dt.date | None  # last day; None: no end date
    by: str | None  # None: set by an import
    at: dt.datetime | None


def set_hold(
    session: Session,
    claim_id: str,
    hold: Hold | None,
    *,
    reason: str = "",
    until: dt.date | None = None,
    by: Actor,
    now: dt.datetime,
) -> Claim:
    """Put the claim (by its number) on hold through the day `until`, or release it (None). Repeating changes nothing.

    Raise `NotFound`, `NotAllowed`, `LegalHold`, `ClaimBusy`, and `BadHold` naming each fault.
    """
    by.require(Action.HOLD)
    today = practice_days.today(session.get_one(Practice, by.practice_id), now=now)
    _check(reason, until, today=today)
    claim = locks.lock_claim(session, by.practice_id, claim_id)
    wanted = (hold, reason.strip() or None, until) if hold else (None, None, None)
    if (claim.hold, claim.hold_reason, claim.hold_until) == wanted:
        return claim
    is_current = claim.hold_until is None or claim.hold_until >= today
    if claim.hold is Hold.LEGAL and is_current and not may_change(by, claim.hold):
        raise LegalHold
    was = claim.hold
    claim.hold, claim.hold_reason, claim.hold_until = wanted
    claim.hold_by, claim.hold_at = (by.user_id, now) if hold else (None, None)
    claim.version += 1
    facts = {"hold": hold, "was": was, "until": until.isoformat() if hold and until else None}
    audit.record(session, "claim.held" if hold else "claim.released", claim, by=by, now=now, **facts)
    session.flush()
    return claim


def may_change(by: Actor, hold: Hold) -> bool:
    """Return whether the user may change or release a hold of this kind. A legal hold is like an exclusion."""
    return by.may(Action.HOLD) and (hold is not Hold.LEGAL or by.may(Action.EXCLUDE))


def hold_of_claim(session: Session, practice_id: int, claim_id: str, *, today: dt.date) -> HeldClaim | None:
    """Return the claim's current hold, if any. Raise `NotFound`."""
    claim = lookup.find(session, practice_id, claim_id)
    return next(iter(_read_held_claims(session, practice_id, today=today, only=claim.id, after_id=None, limit=1)), None)


def list_held_claims(
    session: Session,
    practice_id: int,
    *,
    today: dt.date,
    hold: Hold | None = None,
    after_id: int | None = None,
    limit: int = PAGE_CLAIMS_MAX,
) -> list[HeldClaim]:
    """Return the claims with a current hold, in order of creation, optionally of one kind."""
    return _read_held_claims(session, practice_id, today=today, hold=hold, after_id=after_id, limit=limit)


def _read_held_claims(
    session: Session,
    practice_id: int,
    *,
    today: dt.date,
    hold: Hold | None = None,
    only: int | None = None,
    after_id: int | None,
    limit: int,
) -> list[HeldClaim]:
    found = (
        select(
            Claim.external_id, Claim.id, Patient.name, Claim.hold, Claim.hold_reason, Claim.hold_until, User.name,
            Claim.hold_at,
        )
        .join(Patient, and_(Patient.practice_id == Claim.practice_id, Patient.id == Claim.patient_id))
        .outerjoin(User, User.id == Claim.hold_by)
        .where(Claim.practice_id == practice_id, facts.is_held(today))
        .order_by(Claim.id)
        .limit(limit)
    )  # fmt: skip
    if hold is not None:
        found = found.where(Claim.hold == hold)
    if only is not None:
        found = found.where(Claim.id == only)
    if after_id is not None:
        found = found.where(Claim.id > after_id)
    return [HeldClaim(*row) for row in session.execute(found)]  # type: ignore[arg-type]  # held: none is NULL


def _check(reason: str, until: dt.date | None, *, today: dt.date) -> None:
    faults: dict[str, str] = {}
    if fault := reason_fault(reason, needed=False):
        faults["why"] = fault
    if until is not None and until < today:
        faults["until"] = "The last day cannot be in the past."
    if faults:
        raise BadHold(reading.join_faults(faults), faults=faults)

"""Putting a claim on hold, and letting it go."""

import datetime as dt

from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, Actor
from core.claims import locks
from core.claims.models import Claim, Hold


def set_hold(session: Session, claim_id: str, hold: Hold | None, *, by: Actor, now: dt.datetime) -> Claim:
    """Hold the claim (its number) for the reason `hold`, or release it (None); the same again changes nothing.

    Raises `NotFound`, `NotAllowed` and `ClaimBusy`.
    """
    by.require(Action.HOLD)
    claim = locks.lock_one(session, by.practice_id, claim_id)
    if claim.hold is hold:
        return claim
    was, claim.hold = claim.hold, hold
    claim.version += 1
    audit.record(
        session,
        "claim.held" if hold else "claim.released",
        practice_id=by.practice_id,
        subject=f"claim:{claim.external_id}",
        by=by.user_id,
        now=now,
        hold=hold,
        was=was,
    )
    session.flush()
    return claim

"""Record who looked at a claim and its patient."""

from core.access import audit
from core.access.permissions import Actor
from core.claims import lookup
from core.db.engine import transaction
from webui.shared.app_context import app_context, now


def record_view(claim_id: str | None, *, by: Actor) -> None:
    """Record that the user looked at the claim with this number, if there is one. Raise `NotFound`."""
    if claim_id is not None:
        with transaction(app_context().sessions) as db:
            seen = lookup.find(db, by.practice_id, claim_id)
            audit.record_hourly(db, "claim.viewed", seen, by=by, now=now())

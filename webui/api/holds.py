"""Claims on hold."""

import datetime as dt
from typing import Annotated

from flask import Response, jsonify
from pydantic import Field

from core.access.permissions import Action
from core.claims import holds
from core.models.claims import Hold
from core.practices import practice_days, practice_queries
from webui.api.blueprint import CLAIMS, api
from webui.api.models import Answer
from webui.api.request_parsing import Page, requires
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


class HoldsQuery(Page):
    """A page of claims on hold."""

    hold: Annotated[Hold | None, Field(description="Only holds of this kind")] = None


class HeldClaim(Answer):
    """A claim with a current hold."""

    claim_id: str
    patient: str
    hold: Hold
    why: Annotated[str | None, Field(validation_alias="reason")]
    until: Annotated[dt.date | None, Field(description="Last day of the hold; null means no end date")]
    by: Annotated[str | None, Field(description="Null for a hold that an import set")]
    at: dt.datetime | None


class HeldClaims(Answer):
    """A page of claims on hold, in the order of their creation."""

    holds: list[HeldClaim]
    next_cursor: str | None


@api.get("/holds", tags=[CLAIMS], responses={200: HeldClaims})
@requires(Action.SEE_CLAIMS)
def list_holds(query: HoldsQuery) -> Response:
    """List the claims on hold. Claims of an excluded patient or payer are not among them."""
    practice_id, after = current_actor().practice_id, query.after()
    with app_context().sessions() as session:
        today = practice_days.today(practice_queries.find(session, practice_id), now=now())
        found = holds.list_held_claims(
            session, practice_id, today=today, hold=query.hold, after_id=after, limit=query.limit + 1
        )
    shown = found[: query.limit]
    answer = HeldClaims(
        holds=[HeldClaim.model_validate(row) for row in shown],
        next_cursor=str(shown[-1].id) if len(found) > len(shown) else None,
    )
    return jsonify(answer.json_ready())

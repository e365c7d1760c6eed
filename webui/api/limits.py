"""The approval limits of the practice."""

from typing import Annotated, Any, Final

from flask import Response, jsonify
from pydantic import Field
from sqlalchemy.orm import Session

from core.access import user_management
from core.access.permissions import Action
from core.db.engine import transaction
from core.models.people import User
from core.models.practices import Practice
from core.practices import limits, practice_queries
from webui.api.blueprint import api, problem_responses
from webui.api.models import Answer, Ceiling
from webui.api.request_parsing import requires
from webui.api.users import USERS_AND_LIMITS, AnyLimits, NewLimits, SomeLimits, UserAnswer, limit_value, user_answer
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


class LimitsAnswer(Answer):
    """The practice's limits and your own. The lower limit applies."""

    practice: str
    claim_cents: Ceiling
    job_cents: Ceiling
    my_claim_cents: Ceiling
    my_job_cents: Ceiling
    users: Annotated[
        list[UserAnswer], Field(description="Active users with their limits: all for an administrator, else only you")
    ]


_LIMITS_ANSWERS: Final[dict[str, Any]] = {
    "tags": [USERS_AND_LIMITS],
    "responses": {200: LimitsAnswer, **problem_responses(400, 413, 415)},
}


@api.get("/limits", tags=[USERS_AND_LIMITS], responses={200: LimitsAnswer})
@requires(Action.SEE_CLAIMS)
def show_limits() -> Response:
    """Show the max write-off per claim and per job without approval."""
    with app_context().sessions() as session:
        answer = _limits(session, practice_queries.find(session, current_actor().practice_id))
    return jsonify(answer.json_ready())


@api.put("/limits", **_LIMITS_ANSWERS)
@requires(Action.CHANGE_SETTING)
def set_limits(body: NewLimits) -> Response:
    """Set the practice's limits. A raised limit applies after 24 hours. Existing previews keep their old limits."""
    return _set_limits(body)


@api.patch("/limits", **_LIMITS_ANSWERS)
@requires(Action.CHANGE_SETTING)
def change_limits(body: SomeLimits) -> Response:
    """Change one or both of the practice's limits. A raised limit applies after 24 hours.

    Existing previews keep their old limits.
    """
    return _set_limits(body)


def _set_limits(body: AnyLimits) -> Response:
    with transaction(app_context().sessions) as session:
        practice = limits.set_write_off_limits(session, **body.cents(), by=current_actor(), now=now())
        answer = _limits(session, practice)
    return jsonify(answer.json_ready())


def _limits(session: Session, practice: Practice) -> LimitsAnswer:
    by = current_actor()
    user = session.get_one(User, by.user_id)
    seen = user_management.list_users(session, by) if by.may(Action.MANAGE_USERS) else [user]
    return LimitsAnswer(
        practice=practice.name,
        users=[user_answer(one) for one in seen if one.active],
        claim_cents=limit_value(practice.claim_limit_cents),
        job_cents=limit_value(practice.job_limit_cents),
        my_claim_cents=limit_value(user.claim_limit_cents),
        my_job_cents=limit_value(user.job_limit_cents),
    )

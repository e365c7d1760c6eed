"""The caller's practice, and its time zone."""

from flask import Response, jsonify

from core.access.permissions import Action
from core.db.engine import transaction
from core.models.practices import Practice
from core.practices import practice_queries
from core.schedules import time_zone
from webui.api.blueprint import PRACTICE, api, problem_responses
from webui.api.models import Answer
from webui.api.request_parsing import Body, requires
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


class PracticeAnswer(Answer):
    """The practice whose claims you see."""

    name: str
    time_zone: str


class NewTimeZone(Body):
    """A time zone by its IANA name, such as America/Chicago."""

    time_zone: str


@api.get("/practice", tags=[PRACTICE], responses={200: PracticeAnswer})
@requires(Action.SEE_CLAIMS)
def show_practice() -> Response:
    """Show your practice and its time zone, which posting dates and schedules use."""
    with app_context().sessions() as session:
        return _answer(practice_queries.find(session, current_actor().practice_id))


@api.put("/practice/time-zone", tags=[PRACTICE], responses={200: PracticeAnswer, **problem_responses(400, 413, 415)})
@requires(Action.CHANGE_SETTING)
def set_time_zone(body: NewTimeZone) -> Response:
    """Set the time zone. Dates and schedules use it from now on; existing postings keep their dates."""
    with transaction(app_context().sessions) as session:
        return _answer(time_zone.set_time_zone(session, body.time_zone, by=current_actor(), now=now()))


def _answer(practice: Practice) -> Response:
    return jsonify(PracticeAnswer.model_validate(practice).json_ready())

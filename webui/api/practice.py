"""The caller's practice, and its time zone."""

from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.practices import practice_queries
from core.schedules import time_zone
from webui.api.blueprint import PRACTICE, api
from webui.api.models import Answer
from webui.api.request_parsing import Body
from webui.shared.app_context import now
from webui.shared.token_auth import current_actor


class PracticeAnswer(Answer):
    """The practice whose claims you see."""

    name: str
    time_zone: str


class NewTimeZone(Body):
    """A time zone by its IANA name, such as America/Chicago."""

    time_zone: str


@api.get("/practice", needs=Action.SEE_CLAIMS, tag=PRACTICE)
def show_practice(session: Session) -> PracticeAnswer:
    """Show your practice and its time zone, which posting dates and schedules use."""
    return PracticeAnswer.model_validate(practice_queries.find(session, current_actor().practice_id))


@api.put("/practice/time-zone", needs=Action.CHANGE_SETTING, tag=PRACTICE)
def set_time_zone(body: NewTimeZone, session: Session) -> PracticeAnswer:
    """Set the time zone. Dates and schedules use it from now on; existing postings keep their dates."""
    changed = time_zone.set_time_zone(session, body.time_zone, by=current_actor(), now=now())
    return PracticeAnswer.model_validate(changed)

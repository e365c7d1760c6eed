"""Choose on the settings page that one person works in the practice, or end the choice."""

from typing import Any

from flask import request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from core.access import one_person
from core.access.one_person import OnePersonChoice
from core.access.permissions import Action
from core.jobs import job_queries
from core.practices import one_person_choice
from webui.shared import acts
from webui.shared.app_context import now
from webui.shared.auth import Pages, current_actor, current_practice

CHOSEN = "Saved. From the time shown below, jobs over a limit that you confirm run without approval."
ENDED = "Saved. Jobs over a limit need approval."

blueprint = Pages("one_person", __name__, url_prefix="/settings")


@blueprint.post("/one-person", needs=Action.CHANGE_SETTING)
def change() -> Response:
    """Choose it, or end the choice."""
    chosen = request.form.get("chosen") == "yes"
    try:
        acts.run(one_person_choice.choose if chosen else one_person_choice.end)
    except one_person_choice.AnotherApprover as refusal:
        return acts.redirect_with(refusal.message, "settings.show", tone="warn", _anchor="one-person")
    return acts.redirect_with(CHOSEN if chosen else ENDED, "settings.show", _anchor="one-person")


def page_facts(db: Session) -> dict[str, Any]:
    """Return the choice, who made it, and who else could approve this user's jobs."""
    actor, choice = current_actor(), one_person.choice_of(current_practice())
    names = job_queries.names_of_users(db, actor.practice_id, [choice.by] if choice else [])
    others = one_person.other_approvers(db, actor.practice_id, actor.user_id)
    made = choice or OnePersonChoice(actor.user_id, now())
    last = one_person.last_other_approver(db, actor.practice_id, made.by, since=made.at - one_person.ALONE_FOR)
    left = job_queries.names_of_users(db, actor.practice_id, [last.user_id] if last else [])
    return {
        "one_person": choice,
        "one_person_by": names.get(choice.by, "A user") if choice else None,
        "one_person_from": one_person.applies_from(db, actor.practice_id, made),
        "last_approver": last,
        "last_approver_name": left.get(last.user_id) if last else None,
        "other_approvers": [user.name for user in others],
    }

"""The approval limits of the practice."""

import datetime as dt
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from core.access import one_person, user_management
from core.access.permissions import Action
from core.db.engine import transaction
from core.jobs import job_queries
from core.models.people import User
from core.models.practices import Practice
from core.practices import limits, one_person_choice, practice_queries
from webui.api.blueprint import api
from webui.api.models import Answer, Ceiling
from webui.api.request_parsing import Body
from webui.api.users import USERS_AND_LIMITS, AnyLimits, NewLimits, SomeLimits, UserAnswer, limit_value, user_answer
from webui.shared.app_context import app_context, now
from webui.shared.token_auth import current_actor


class OnePerson(Answer):
    """Who chose that jobs over a limit run without approval. It applies to the jobs that this user confirms."""

    chosen_by: str | None
    chosen_at: dt.datetime
    applies_from: Annotated[
        dt.datetime, Field(description="24 hours after the choice, and 30 days after another user could")
    ]


class OnePersonChosen(Body):
    """Whether one person works in the practice."""

    chosen: Annotated[
        bool,
        Field(
            description="true: jobs over a limit that you confirm run without approval after 24 hours. It is refused "
            "if another user could approve them, and it ends when one could. false: they need approval, at once"
        ),
    ]


class LimitsAnswer(Answer):
    """The practice's limits and your own. The lower limit applies."""

    practice: str
    claim_cents: Ceiling
    job_cents: Ceiling
    one_person: Annotated[
        OnePerson | None,
        Field(description="Set if an administrator chose that one person works here, so no user approves their jobs"),
    ]
    my_claim_cents: Ceiling
    my_job_cents: Ceiling
    users: Annotated[
        list[UserAnswer], Field(description="Active users with their limits: all for an administrator, else only you")
    ]


@api.get("/limits", needs=Action.SEE_CLAIMS, tag=USERS_AND_LIMITS)
def show_limits(session: Session) -> LimitsAnswer:
    """Show the max write-off per claim and per job without approval."""
    return _limits(session, practice_queries.find(session, current_actor().practice_id))


@api.put("/limits", needs=Action.CHANGE_SETTING, tag=USERS_AND_LIMITS)
def set_limits(body: NewLimits) -> LimitsAnswer:
    """Set the practice's limits. A raised limit applies after 24 hours. Existing previews keep their old limits."""
    return _set_limits(body)


@api.patch("/limits", needs=Action.CHANGE_SETTING, tag=USERS_AND_LIMITS)
def change_limits(body: SomeLimits) -> LimitsAnswer:
    """Change one or both of the practice's limits. A raised limit applies after 24 hours.

    Existing previews keep their old limits.
    """
    return _set_limits(body)


@api.put("/limits/one-person", needs=Action.CHANGE_SETTING, tag=USERS_AND_LIMITS, problems=[409])
def choose_one_person(body: OnePersonChosen, session: Session) -> LimitsAnswer:
    """Choose that one person works in the practice, or end the choice. It is in the audit log and on certificates."""
    act = one_person_choice.choose if body.chosen else one_person_choice.end
    return _limits(session, act(session, by=current_actor(), now=now()))


def _set_limits(body: AnyLimits) -> LimitsAnswer:
    with transaction(app_context().sessions) as session:
        practice = limits.set_write_off_limits(session, **body.cents(), by=current_actor(), now=now())
        return _limits(session, practice)


def _limits(session: Session, practice: Practice) -> LimitsAnswer:
    by = current_actor()
    user = session.get_one(User, by.user_id)
    seen = user_management.list_users(session, by) if by.may(Action.MANAGE_USERS) else [user]
    return LimitsAnswer(
        practice=practice.name,
        users=[user_answer(one) for one in seen if one.active],
        claim_cents=limit_value(practice.claim_limit_cents),
        job_cents=limit_value(practice.job_limit_cents),
        one_person=_one_person(session, practice),
        my_claim_cents=limit_value(user.claim_limit_cents),
        my_job_cents=limit_value(user.job_limit_cents),
    )


def _one_person(session: Session, practice: Practice) -> OnePerson | None:
    choice = one_person.choice_of(practice)
    if choice is None:
        return None
    names = job_queries.names_of_users(session, practice.id, [choice.by])
    applies_from = one_person.applies_from(session, practice.id, choice)
    return OnePerson(chosen_by=names.get(choice.by), chosen_at=choice.at, applies_from=applies_from)

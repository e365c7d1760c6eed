"""Choose that one person works in the practice, or end the choice."""

import datetime as dt
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access import audit, authorize, one_person
from core.access.one_person import OnePersonChoice
from core.access.permissions import Action, Actor
from core.errors import Refusal
from core.models.people import User
from core.models.practices import Practice
from core.practices import practice_queries

_NAMED_MAX: Final = 3


class AnotherApprover(Refusal):
    """Another user could approve your jobs, so jobs over a limit need approval."""


def choose(session: Session, *, by: Actor, now: dt.datetime) -> Practice:
    """Let jobs over a limit run without approval, from `one_person.applies_from`. Repeating changes nothing.

    Raise `NotAllowed`, and `AnotherApprover` if an active user could approve the jobs of `by`.
    """
    of_practice = select(User.id).where(User.practice_id == by.practice_id)
    authorize.require_current_role(session, by, Action.CHANGE_SETTING, besides=session.scalars(of_practice).all())
    practice = practice_queries.lock_practice(session, by.practice_id)
    if one_person.choice_of(practice) is not None:
        return practice
    if others := one_person.other_approvers(session, by.practice_id, by.user_id):
        raise AnotherApprover(_refusal([user.name for user in others]))
    one_person.set_choice(practice, OnePersonChoice(by.user_id, now))
    audit.record(session, "one_person.chosen", practice, by=by, now=now)
    return practice


def end(session: Session, *, by: Actor, now: dt.datetime) -> Practice:
    """Let jobs over a limit need approval again, at once. Repeating changes nothing. Raise `NotAllowed`."""
    authorize.require_current_role(session, by, Action.CHANGE_SETTING)
    practice = practice_queries.lock_practice(session, by.practice_id)
    if one_person.choice_of(practice) is not None:
        one_person.set_choice(practice, None)
        audit.record(session, "one_person.ended", practice, by=by, now=now)
    return practice


def _refusal(names: list[str]) -> str:
    named = ", ".join(names[:_NAMED_MAX]) + (f" and {len(names) - _NAMED_MAX:,} more" if names[_NAMED_MAX:] else "")
    return f"{named} could approve your jobs, so jobs over a limit need approval. Nothing was changed."

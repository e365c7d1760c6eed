"""Whether a practice chose that one person works there, so that jobs over a limit run without approval.

The choice applies after 24 hours, like a raised limit, so two people cannot become one on the day of a write-off. It
ends when another user could approve the jobs of the user who chose it. It does not come back when that user leaves.
"""

import datetime as dt
from typing import NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, roles_allowing
from core.access.recent_changes import WINDOW
from core.access.ties import Ties
from core.models.people import User
from core.models.practices import Practice


class OnePersonChoice(NamedTuple):
    """Who chose that one person works here, and when."""

    by: int
    at: dt.datetime

    @property
    def applies_from(self) -> dt.datetime:
        """Return when jobs begin to run without approval."""
        return self.at + WINDOW


def choice_of(practice: Practice) -> OnePersonChoice | None:
    """Return the practice's choice, or None. It may not apply yet."""
    if practice.one_person_chosen_by is None or practice.one_person_chosen_at is None:
        return None
    return OnePersonChoice(practice.one_person_chosen_by, practice.one_person_chosen_at)


def other_approvers(session: Session, practice_id: int, user_id: int) -> list[User]:
    """Return the active users who could approve this user's jobs, now or after 24 hours, by name."""
    approvers = _approvers(session, practice_id)
    controlled = Ties.read(session, practice_id).controlled_by({user_id})
    return [user for user in approvers if user.id != user_id and user.id not in controlled]


def choice_in_effect(
    session: Session, practice_id: int, *, lock: bool = False, now: dt.datetime
) -> OnePersonChoice | None:
    """Return the choice if it applies now. `lock` keeps it until commit."""
    chosen = _chosen(practice_id).with_for_update(read=True) if lock else _chosen(practice_id)
    practice = session.scalars(chosen.execution_options(populate_existing=True)).one_or_none()
    choice = choice_of(practice) if practice else None
    if choice is None or now < choice.applies_from or not _is_alone(session, practice_id, choice.by):
        return None
    return choice


def end_if_another_could_approve(session: Session, practice_id: int, *, now: dt.datetime) -> None:
    """End the choice if its user is no longer the only one who could approve. Call it after each change of a user."""
    chosen = _chosen(practice_id).with_for_update(key_share=True)
    practice = session.scalars(chosen.execution_options(populate_existing=True)).one_or_none()
    choice = choice_of(practice) if practice else None
    if practice and choice and not _is_alone(session, practice_id, choice.by):
        set_choice(practice, None)
        audit.record(session, "one_person.lapsed", practice, by=None, now=now, user_id=choice.by)


def set_choice(practice: Practice, choice: OnePersonChoice | None) -> None:
    """Set or end the choice of the locked practice."""
    practice.one_person_chosen_by, practice.one_person_chosen_at = choice or (None, None)


def _chosen(practice_id: int) -> Select[Practice]:
    """Select the practice if it has a choice. Without one, a change of a user does not wait for a preview's lock."""
    return select(Practice).where(Practice.id == practice_id, Practice.one_person_chosen_by.is_not(None))


def _is_alone(session: Session, practice_id: int, user_id: int) -> bool:
    approves = any(user.id == user_id for user in _approvers(session, practice_id))
    return approves and not other_approvers(session, practice_id, user_id)


def _approvers(session: Session, practice_id: int) -> list[User]:
    approving = User.active, User.role.in_(roles_allowing(Action.APPROVE_JOB))
    found = select(User).where(User.practice_id == practice_id, *approving).order_by(User.name, User.id)
    return list(session.scalars(found))

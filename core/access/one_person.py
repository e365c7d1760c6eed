"""Whether a practice chose that one person works there, so that jobs over a limit run without approval.

The choice applies after 24 hours, and 30 days after another user last could approve the jobs of the user who chose it.
So one of two people cannot deactivate the other and write off past the limits soon after. The choice ends when another
user could approve. It does not come back when that user leaves.
"""

import datetime as dt
from typing import Final, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core.access import audit
from core.access.permissions import Action, roles_allowing
from core.access.recent_changes import WINDOW
from core.access.ties import GRANTING_ACTS, Ties, account_of, read_acts
from core.enums.people import Role
from core.models.people import User
from core.models.practices import Practice

ALONE_FOR: Final = dt.timedelta(days=30)  # after another user last could approve
_APPROVING: Final = roles_allowing(Action.APPROVE_JOB)


class OnePersonChoice(NamedTuple):
    """Who chose that one person works here, and when."""

    by: int
    at: dt.datetime


class LastApprover(NamedTuple):
    """Another user who could approve, and until when: a role, a deactivation or an act that ties them ended it."""

    user_id: int
    until: dt.datetime


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


def applies_from(session: Session, practice_id: int, choice: OnePersonChoice) -> dt.datetime:
    """Return when jobs begin to run without approval by the choice."""
    last = last_other_approver(session, practice_id, choice.by, since=choice.at - ALONE_FOR)
    return max(choice.at + WINDOW, last.until + ALONE_FOR) if last else choice.at + WINDOW


def last_other_approver(
    session: Session, practice_id: int, user_id: int, *, since: dt.datetime, until: dt.datetime | None = None
) -> LastApprover | None:
    """Return the user who last could approve this user's jobs between these times, or None. The audit log says so."""
    acts = read_acts(session, practice_id, (*GRANTING_ACTS, "user.deactivated"))
    last = None
    roles: dict[int, Role] = {}
    active: set[int] = set()
    for index, entry in enumerate(acts):
        if until is not None and entry.at > until:
            break
        if entry.at > since:
            controlled = Ties.of_acts(acts[:index]).controlled_by({user_id})
            others = active - {user_id, *controlled}
            could = min((one for one in others if roles.get(one) in _APPROVING), default=None)
            last = LastApprover(could, entry.at) if could is not None else last
        account = account_of(entry)
        if role := entry.facts.get("role") or entry.facts.get("to"):
            roles[account] = Role(role)
        if entry.act in ("user.added", "user.reactivated"):
            active.add(account)
        elif entry.act == "user.deactivated":
            active.discard(account)
    return last


def choice_in_effect(
    session: Session, practice_id: int, *, lock: bool = False, now: dt.datetime
) -> OnePersonChoice | None:
    """Return the choice if it applies now. `lock` keeps it until commit."""
    chosen = _chosen(practice_id).with_for_update(read=True) if lock else _chosen(practice_id)
    practice = session.scalars(chosen.execution_options(populate_existing=True)).one_or_none()
    choice = choice_of(practice) if practice else None
    if choice is None or not _is_alone(session, practice_id, choice.by):
        return None
    return choice if now >= applies_from(session, practice_id, choice) else None


def choice_for(
    session: Session, practice_id: int, user_id: int, *, lock: bool = False, now: dt.datetime
) -> OnePersonChoice | None:
    """Return the choice by which this user needs no approval now, or None. The user must have made it."""
    choice = choice_in_effect(session, practice_id, lock=lock, now=now)
    return choice if choice is not None and choice.by == user_id else None


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
    approving = User.active, User.role.in_(_APPROVING)
    found = select(User).where(User.practice_id == practice_id, *approving).order_by(User.name, User.id)
    return list(session.scalars(found))

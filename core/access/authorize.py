"""Re-check a user's role under lock. It may have changed since the page was loaded."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.access.users import Deactivated, actor_for
from core.models.people import User

NEEDS_VERIFICATION: Final = frozenset({Action.CHANGE_SETTING, Action.MANAGE_USERS})


def lock_users(session: Session, user_ids: Collection[int]) -> dict[int, User]:
    """Lock the users until commit, in id order to avoid deadlocks. Return them by id."""
    found = select(User).where(User.id.in_(user_ids)).order_by(User.id).with_for_update(key_share=True)
    return {user.id: user for user in session.scalars(found.execution_options(populate_existing=True))}


def require_current_role(
    session: Session, by: Actor, action: Action, *, besides: Collection[int] = ()
) -> dict[int, User]:
    """Lock the user, and the users `besides`, until commit. Return them by id.

    Raise `NotAllowed` if the user was deactivated or lost the role, and `VerificationNeeded`.
    """
    by.require(action)
    if action in NEEDS_VERIFICATION:
        by.require_verified()
    people = lock_users(session, {by.user_id, *besides})
    if not people[by.user_id].active:
        raise Deactivated
    actor_for(people[by.user_id]).require(action)
    return people

"""Whether a person still may do what they are about to do: their page may be older than their role."""

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.access.users import Deactivated, actor_for
from core.models.people import User


def held(session: Session, user_ids: Collection[int]) -> dict[int, User]:
    """The users by id, held as they are until the commit; in the order of their ids, so that no two hands cross."""
    found = select(User).where(User.id.in_(user_ids)).order_by(User.id).with_for_update(key_share=True)
    return {user.id: user for user in session.scalars(found.execution_options(populate_existing=True))}


def require(session: Session, by: Actor, action: Action, *, besides: Collection[int] = ()) -> dict[int, User]:
    """Hold the person, and those `besides`, as they are until the commit; give them by id.

    Raises `NotAllowed` where the person was deactivated, or has lost the role, meanwhile.
    """
    by.require(action)
    people = held(session, {by.user_id, *besides})
    if not people[by.user_id].active:
        raise Deactivated
    actor_for(people[by.user_id]).require(action)
    return people

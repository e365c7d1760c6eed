"""Which users may approve what others requested: a job over a limit, or a posting by hand over a limit.

None of its requesters may, no account that one of them controls (`core.access.ties`), and no account that became an
approver less than 24 hours ago.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.access.permissions import Action, roles_allowing
from core.access.ties import Grant, Ties
from core.errors import BadInput, NotAllowed, Refusal
from core.models.people import User


class ControlledAccount(NotAllowed):
    """A requester controls your account, so another user must approve this."""


class NewApprover(NotAllowed):
    """You became an approver less than 24 hours ago.

    You can approve after 24 hours, or once another administrator vouches for your account.
    """


class AlreadyDecided(Refusal):
    """Another user has already decided on this."""


class ReasonMissing(BadInput):
    """Enter a reason of at most 500 characters. The requester will see it."""

    http_status = HTTPStatus.UNPROCESSABLE_ENTITY


def find_tie(
    session: Session, practice_id: int, requesters: Collection[int], user_id: int, *, now: dt.datetime
) -> Grant | NewApprover | None:
    """Return what keeps the user from approving for these requesters: a grant that ties the account, or its newness."""
    ties = Ties.read(session, practice_id)
    if (tie := ties.controlled_by(requesters).get(user_id)) is not None:
        return tie
    return NewApprover() if ties.approves_from(user_id, now=now) else None


def may_approve(
    session: Session,
    practice_id: int,
    user_id: int,
    columns: Sequence[InstrumentedAttribute[Any]],
    *,
    now: dt.datetime,
) -> ColumnElement[bool]:
    """Return, as SQL, whether this user may approve for the users in these columns. The role is checked elsewhere."""
    ties = Ties.read(session, practice_id)
    if ties.approves_from(user_id, now=now):
        return false()
    these = {user_id, *ties.controllers_of(user_id)}
    return and_(*(or_(column.is_(None), column.not_in(these)) for column in columns))


def list_approvers(session: Session, practice_id: int, requesters: Collection[int], *, now: dt.datetime) -> list[User]:
    """Return the users who may approve for these requesters, by name."""
    people = select(User).where(
        User.practice_id == practice_id,
        User.active,
        User.role.in_(roles_allowing(Action.APPROVE_JOB)),
        User.id.not_in(requesters),
    )
    ties = Ties.read(session, practice_id)
    controlled = ties.controlled_by(requesters)
    return [
        user
        for user in session.scalars(people.order_by(User.name, User.id))
        if user.id not in controlled and not ties.approves_from(user.id, now=now)
    ]

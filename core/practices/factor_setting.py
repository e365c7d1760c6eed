"""Choose whether approvers and administrators need a second factor, and how large a CONFIRM needs verification."""

import datetime as dt
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from core.access import audit, authorize, second_factor
from core.access.permissions import Action, Actor
from core.models.people import SecondFactor, User
from core.models.practices import Practice
from core.models.single_sign_on import SingleSignOn
from core.money import checked_limit, limit_as_json
from core.practices import practice_queries


def change(
    session: Session,
    *,
    required: bool | None = None,
    large_confirm_cents: int | None = None,
    by: Actor,
    now: dt.datetime,
) -> Practice:
    """Change what is not None. `large_confirm_cents` may be `core.money.UNLIMITED`. Repeating changes nothing.

    Raise `NotAllowed`, `VerificationNeeded`, and `BadLimitAmount` for an invalid amount.
    """
    authorize.require_current_role(session, by, Action.CHANGE_SETTING)
    practice = practice_queries.lock_practice(session, by.practice_id)
    changed: dict[str, Any] = {}
    if required is not None and required != practice.second_factor_required:
        changed["second_factor_required"] = {"from": practice.second_factor_required, "to": required}
        practice.second_factor_required = required
    if large_confirm_cents is not None and checked_limit(large_confirm_cents) != practice.large_confirm_cents:
        values = {"from": practice.large_confirm_cents, "to": large_confirm_cents}
        changed["large_confirm_cents"] = {key: limit_as_json(cents) for key, cents in values.items()}
        practice.large_confirm_cents = large_confirm_cents
    if changed:
        audit.record(session, "second_factor.changed", practice, by=by, now=now, **changed)
    return practice


def count_without(session: Session, practice_id: int) -> int:
    """Return how many active approvers and administrators can sign in without a second factor."""
    has_one = select(SecondFactor.user_id).where(SecondFactor.user_id == User.id).exists()
    given_by_provider = exists().where(
        SingleSignOn.practice_id == User.practice_id, SingleSignOn.asks_second_factor, ~SingleSignOn.password_sign_in
    )
    without = (User.practice_id == practice_id, User.active, ~has_one, ~given_by_provider)
    lacking = select(func.count()).select_from(User).where(*without)
    return session.scalars(lacking.where(User.role.in_(second_factor.ROLES))).one()

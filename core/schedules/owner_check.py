"""Check that a schedule's owner may still do what the schedule does on their behalf."""

from typing import Final

from core.access.permissions import ALLOWED_ACTIONS, Action
from core.enums.people import Role
from core.models.people import User
from core.schedules.descriptions import OWNER_LEFT, OWNER_MAY_NOT

_REQUIRED_ACTIONS: Final = frozenset({Action.MANAGE_SCHEDULES, Action.PREVIEW_JOB, Action.CONFIRM_JOB})


def reason_owner_may_not(user: User) -> str | None:
    """Return the code of the reason why the owner may not do it, or None."""
    return reason_may_not(user.role, is_active=user.active)


def reason_may_not(role: Role, *, is_active: bool) -> str | None:
    """Return the code of the reason why an owner with this role may not do it, or None."""
    if not is_active:
        return OWNER_LEFT
    return None if ALLOWED_ACTIONS[role].issuperset(_REQUIRED_ACTIONS) else OWNER_MAY_NOT

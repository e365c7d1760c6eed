"""Change the approval limits of a practice or a user."""

from typing import Any, Final, Protocol

from core.money import checked_limit, limit_as_json

LIMIT_COLUMNS: Final = ("claim_limit_cents", "job_limit_cents")


class HasLimits(Protocol):
    """A row with limits for one claim and for one job. `core.money.UNLIMITED` stands for the word "unlimited"."""

    claim_limit_cents: Any
    job_limit_cents: Any


def change_limits(limited: HasLimits, *, claim_cents: int | None, job_cents: int | None) -> dict[str, Any]:
    """Set the limits given. Return the old and new values for the audit. Raise `BadLimitAmount`."""
    changed: dict[str, Any] = {}
    for column, cents in zip(LIMIT_COLUMNS, (claim_cents, job_cents), strict=True):
        if cents is not None and getattr(limited, column) != checked_limit(cents):
            changed[column] = {"from": limit_as_json(getattr(limited, column)), "to": limit_as_json(cents)}
            setattr(limited, column, cents)
    return changed

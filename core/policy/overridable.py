"""Which rules a job may override."""

from collections.abc import Collection
from typing import Final

# In the order of the table of rules. A user needs the right to override them.
OVERRIDABLE_CODES: Final = (
    "held_answer", "in_process", "rejected", "not_submitted", "secondary_pending", "in_appeal_window",
    "recent_payment", "too_few_statements", "recent_statement",
)  # fmt: skip


def overridable(codes: Collection[str]) -> list[str]:
    """Return the codes that a job may override. A job of an earlier version may have overridden more."""
    return [code for code in codes if code in OVERRIDABLE_CODES]

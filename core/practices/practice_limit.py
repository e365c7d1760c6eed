"""The numbers that an administrator sets, with their bounds."""

from typing import Final, NamedTuple

from core.errors import BadInput
from core.money import format_cents


class BadLimit(BadInput):
    """A limit is not valid."""


class PracticeLimit(NamedTuple):
    """A number that an administrator sets, with its bounds. A column that ends in `_cents` is an amount."""

    column: str
    least: int
    most: int
    words: str

    @property
    def bounds(self) -> str:
        """Return the bounds in words: "from 0 to 365", "from $0.01 to $1,000.00"."""
        least, most = (format_cents(n) if self.is_amount else f"{n:,}" for n in (self.least, self.most))
        return f"from {least} to {most}"

    @property
    def is_amount(self) -> bool:
        """Return whether the number is in cents."""
        return self.column.endswith("_cents")


FAILURE_PERCENT: Final = PracticeLimit("failure_percent_max", 1, 100, "percent of failed claims")
FAILURE_CLAIMS: Final = PracticeLimit("failure_claims_min", 1, 1_000_000, "claims before the percentage applies")
SAME_FAILURES: Final = PracticeLimit("failures_alike_max", 2, 1_000_000, "last failures with the same cause")
# Up to a year. To leave out claims for longer, filter by "No payment since" in the feed.
RECENT_PAYMENT_DAYS: Final = PracticeLimit("recent_payment_days", 0, 365, "recent-payment window in days")
# A larger balance needs a reason of a different kind. The word "unlimited" is not accepted here.
SMALL_BALANCE: Final = PracticeLimit("small_balance_max_cents", 1, 1_000_00, "small-balance limit")
APPEAL_WINDOW_DAYS: Final = PracticeLimit("appeal_window_days", 0, 730, "appeal window in days")
STATEMENTS: Final = PracticeLimit("statements_min", 0, 12, "statements before a write-off")
STATEMENT_DAYS: Final = PracticeLimit("statement_days", 0, 365, "days since the last statement")
RULE_LIMITS: Final = (SMALL_BALANCE, RECENT_PAYMENT_DAYS, APPEAL_WINDOW_DAYS, STATEMENTS, STATEMENT_DAYS)

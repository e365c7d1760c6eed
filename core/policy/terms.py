"""What the rules compare a claim with: the job's settings and the practice's numbers. A preview freezes them."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.enums.claims import SETTLED, AgeBasis
from core.enums.ledger import WriteOffReason
from core.enums.practices import WriteOffSetting
from core.models.practices import Practice
from core.practices.exclusions import NO_EXCLUSIONS, ActiveExclusions

# Columns of `Practice` and fields of `Terms`. A preview freezes them in `SettleJob.rule_values`.
_NUMBERS: Final = (
    "recent_payment_days", "small_balance_max_cents", "appeal_window_days", "statements_min", "statement_days"
)  # fmt: skip


@dataclass(frozen=True)
class Terms:
    """The values that rules compare with. They are the same for all claims of a job."""

    setting: WriteOffSetting  # the practice's setting
    as_of: dt.date  # the practice's date
    posting_date: dt.date | None = None  # None: not chosen yet, as in the feed
    target_status: str = SETTLED
    reason: WriteOffReason | None = None  # None: not chosen yet, as in the feed
    # 0: the rule is off
    recent_payment_days: int = 0
    appeal_window_days: int = 0
    statements_min: int = 0
    statement_days: int = 0
    small_balance_max_cents: int | None = None  # None: frozen by an earlier version, which had no limit
    excluded: ActiveExclusions = NO_EXCLUSIONS  # on `as_of`
    age_basis: AgeBasis = AgeBasis.SERVICE  # for the feed's age column; no rule reads it


def numbers_of(practice: Practice) -> dict[str, Any]:
    """Return the practice's numbers, as a preview freezes them."""
    return {name: getattr(practice, name) for name in _NUMBERS}


def frozen_numbers(frozen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a frozen preview, as fields of `Terms`. Other versions may have frozen fewer or more."""
    return {name: frozen[name] for name in _NUMBERS if name in frozen}

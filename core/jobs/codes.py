"""What became of a claim, in words: one sentence for each code, of a rule or of a failure."""

from typing import Final, NamedTuple

from core.jobs import budget, lifecycle, limits
from core.policy import rules

WORKER_DIED: Final = "worker_died"
CLAIM_LOCKED: Final = "claim_locked"
DATABASE_REFUSED: Final = "database_refused"
UNEXPECTED_ERROR: Final = "unexpected_error"


class _Failure(NamedTuple):
    sentence: str
    retryable: bool


FAILURES: Final = {
    WORKER_DIED: _Failure("The worker died three times on this claim", retryable=True),
    CLAIM_LOCKED: _Failure("Another hand holds this claim; tried five times", retryable=True),
    DATABASE_REFUSED: _Failure("The database refused this claim", retryable=False),
    UNEXPECTED_ERROR: _Failure("Something unexpected broke on this claim", retryable=True),
}

MONTH_CLOSED: Final = "month_closed"

HALTS: Final = {
    MONTH_CLOSED: "The month of its posting date was closed under it; nothing was posted into it since",
    budget.TOO_MANY_FAILED: "More of its claims have failed than the practice allows",
    budget.FAILURES_ALIKE: "Its last failures are all alike, so that something is wrong with all of them",
    lifecycle.BOOKS_DO_NOT_BALANCE: "Its counts and the ledger do not agree; look into it before anything else",
}


def words(code: str) -> str:
    """The sentence that people read for `code`; a code of another version is shown as it is."""
    if code in FAILURES:
        return FAILURES[code].sentence
    if code in HALTS:
        return HALTS[code]
    if code in limits.SENTENCES:
        return limits.SENTENCES[code]
    if code in rules.BY_CODE:
        return rules.BY_CODE[code].sentence
    return "Can settle" if code == rules.CAN_SETTLE else code.replace("_", " ")


def retryable(code: str) -> bool:
    """Tell whether trying again may help as things stand; a rule's no has to be answered first."""
    return code in FAILURES and FAILURES[code].retryable

"""What became of a claim, in words: one sentence for each code, of a rule or of a failure."""

from typing import Final

from core.jobs import budget, lifecycle, limits
from core.policy import rules

WORKER_DIED: Final = "worker_died"
CLAIM_LOCKED: Final = "claim_locked"
DATABASE_REFUSED: Final = "database_refused"
UNEXPECTED_ERROR: Final = "unexpected_error"


FAILURES: Final = {
    WORKER_DIED: "The worker died three times on this claim",
    CLAIM_LOCKED: "Locked by another user or process; gave up after five tries",
    DATABASE_REFUSED: "The database refused this claim",
    UNEXPECTED_ERROR: "Something unexpected broke on this claim",
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
        return FAILURES[code]
    if code in HALTS:
        return HALTS[code]
    if code in limits.SENTENCES:
        return limits.SENTENCES[code]
    if code in rules.BY_CODE:
        return rules.BY_CODE[code].sentence
    return "Can settle" if code == rules.CAN_SETTLE else code.replace("_", " ")

"""One sentence for each code: why a claim was skipped or failed, why a job halted, which limit it exceeds."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from core.enums.claims import Hold
from core.enums.practices import PAYER_CLASS_NAMES, PayerClass
from core.money import format_cents
from core.policy import rules

WORKER_DIED: Final = "worker_died"
CLAIM_LOCKED: Final = "claim_locked"
DATABASE_REFUSED: Final = "database_refused"
UNEXPECTED_ERROR: Final = "unexpected_error"


FAILURE_SENTENCES: Final = {
    WORKER_DIED: "The system stopped unexpectedly three times while processing this claim",
    CLAIM_LOCKED: "Locked by another user or process; gave up after five tries",
    DATABASE_REFUSED: "The change to this claim could not be saved in the database",
    UNEXPECTED_ERROR: "An unexpected error occurred on this claim",
}

MONTH_CLOSED: Final = "month_closed"
TOO_MANY_FAILED: Final = "too_many_failed"
FAILURES_ALIKE: Final = "failures_alike"
BOOKS_DO_NOT_BALANCE: Final = "books_do_not_balance"

HALT_SENTENCES: Final = {
    MONTH_CLOSED: "The month of the posting date was closed while the job was running. Nothing was posted after that",
    TOO_MANY_FAILED: "The percentage of failed claims is over the practice's limit",
    FAILURES_ALIKE: "The latest failures all have the same cause",
    BOOKS_DO_NOT_BALANCE: "The job is out of balance: its counts do not match the ledger",
}

ANY_USER: Final = "the user's"  # in a limit's sentence, until a page says whose limit it is
LIMIT_SENTENCES: Final = {
    "over_claim_limit": "Over the practice's per-claim limit",
    "over_job_limit": "Over the practice's per-job limit",
    "over_user_claim_limit": f"Over {ANY_USER} own per-claim limit",
    "over_user_job_limit": f"Over {ANY_USER} own per-job limit",
    "over_day_limit": f"Over the per-job limit when added to {ANY_USER} other jobs and adjustments in 24 hours",
    "over_cap_claims": "Over the schedule's claim cap",
    "over_cap_amount": "Over the schedule's dollar cap",
    "loosened_rule": "A rule or setting was loosened less than 24 hours before CONFIRM",
    "reverses_approved_job": "Reverses a job that needed approval",
}
LOOSENED_WORDS: Final = {
    "appeal_window.changed": "appeal window",
    "recent_payment_window.changed": "recent-payment window",
    "small_balance_limit.changed": "small-balance limit",
    "statement_rules.changed": "statement rules",
    "time_zone.changed": "time zone",
    "write_off_setting.changed": "Balance Writeoff setting",
}


_STATUS_WORDS: Final[Mapping[str, str]] = {
    "previewed": "awaiting CONFIRM", "reported": "report only", "cancelling": "canceling", "cancelled": "canceled",
}  # fmt: skip


def status_words(status: str) -> str:
    """Return a job's status as a sentence shows it: "awaiting approval", "canceled"."""
    return _STATUS_WORDS.get(status, status.replace("_", " "))


def describe(code: str) -> str:
    """Return the sentence for `code`. A code from another version is shown as it is."""
    if code in FAILURE_SENTENCES:
        return FAILURE_SENTENCES[code]
    if code in HALT_SENTENCES:
        return HALT_SENTENCES[code]
    if code in LIMIT_SENTENCES:
        return LIMIT_SENTENCES[code]
    if code in rules.RULES_BY_CODE:
        return rules.RULES_BY_CODE[code].sentence
    return "Can settle" if code == rules.CAN_SETTLE else code.replace("_", " ")


def rule_name(code: str) -> str:
    """Return the sentence for `code` without its advice, for a list of rules."""
    return describe(code).partition(". ")[0]


def change_needed(code: str) -> str:
    """Return what must change before a new job settles a claim that this rule skips, or an empty string."""
    return rules.RULES_BY_CODE[code].change if code in rules.RULES_BY_CODE else ""


_LABELS: Final = {
    "billing_status": "billing status",
    "previewed_status": "billing status at preview",
    "hold": "hold",
    "hold_until": "last day of hold",
    "excluded": "excluded",
    "other_job": "in unfinished job",
    "service_date": "date of service",
    "today": "today",
    "posting_date": "posting date",
    "last_posted_on": "latest posting",
    "held_in_remittance": "held in remittance",
    "insurance_due": "insurance balance",
    "patient_due": "patient balance",
    "primary_status": "Ins 1 status",
    "secondary_status": "Ins 2 status",
    "last_payment_on": "last payment",
    "recent_payment_days": "recent-payment window in days",
    "denied_on": "denied on",
    "denial_group": "denial group",
    "denial_carc": "denial CARC",
    "appeal_window_days": "appeal window in days",
    "statements_sent": "statements sent",
    "statements_min": "statements required",
    "last_statement_on": "last statement",
    "statement_days": "days required since the last statement",
    "small_balance_max_cents": "small-balance limit",
    "payer_class": "Ins 1 payer class",
    "schedule_note": "schedule note",
    "version": "claim version",
    "previewed_version": "claim version at preview",
    "reversed_by": "reversed by job",
    "version_after": "claim version after the job",
}
_AMOUNTS: Final = frozenset({"insurance_due", "patient_due", "small_balance_max_cents"})
_DATES: Final = frozenset({
    "service_date", "today", "last_payment_on", "hold_until", "posting_date", "last_posted_on", "denied_on",
    "last_statement_on",
})  # fmt: skip
_HOLDS: Final = {
    Hold.HOLD: "hold",
    Hold.LEGAL: "legal hold",
    Hold.APPEAL: "appeal open",
    Hold.PAYMENT_PLAN: "payment plan",
    Hold.EXCLUDED: "excluded from write-offs",
}


def rule_values(why: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Return the label and value of each fact that a rule used, with dates as MM/DD/YYYY and amounts in dollars."""
    return [(_LABELS.get(name, name), _value(name, value)) for name, value in (why or {}).items()]


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if name in _AMOUNTS:
        return format_cents(value)
    if name in _DATES:
        return dt.date.fromisoformat(value).strftime("%m/%d/%Y")
    if name == "payer_class":
        return PAYER_CLASS_NAMES[PayerClass(value)]
    return _HOLDS[Hold(value)] if name == "hold" else str(value)

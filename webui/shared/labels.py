"""Labels for every value on a screen, and the formats of money, dates and numbers."""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Flask

from core.access.permissions import ROLE_WORDS
from core.clock_times import clock, zone_words
from core.counting import counted
from core.enums.claims import ClaimStatus, ClaimType, Hold
from core.enums.job_items import Outcome, Verdict
from core.enums.jobs import DONE_WORDS, JobKind, JobStatus
from core.enums.ledger import REASON_NAMES, GroupCode, PaidBy, PostingKind, Responsibility, WriteOffReason
from core.enums.people import Role
from core.enums.practices import PAYER_CLASS_NAMES, SELF_PAY, PayerClass, PeriodState, WriteOffSetting
from core.enums.remittances import RuleAction
from core.errors import Refusal
from core.jobs.results import outcome_sentences
from core.jobs.results.progress import Progress
from core.models.jobs import SettleJob
from core.money import format_cents, format_limit, format_plain_amount
from core.reading import as_sentence
from core.x12 import code_labels
from webui.shared import auth
from webui.shared.app_context import now


class Pill(NamedTuple):
    """A status on a screen: a word, an icon with a distinct shape, and a color that repeats both."""

    word: str
    icon: str  # a symbol of static/icons.svg
    tone: str  # a class: good, warn, bad, run or none


JOB_STATUS: Final[Mapping[JobStatus, Pill]] = {
    JobStatus.PREPARING: Pill("Preparing", "dots", "run"),
    JobStatus.PREVIEWED: Pill("Awaiting CONFIRM", "eye", "warn"),
    JobStatus.AWAITING_APPROVAL: Pill("Awaiting approval", "people", "warn"),
    JobStatus.CONFIRMED: Pill("Confirmed", "clock", "run"),
    JobStatus.RUNNING: Pill("Running", "play", "run"),
    JobStatus.PAUSING: Pill("Pausing", "pause", "warn"),
    JobStatus.PAUSED: Pill("Paused", "pause", "warn"),
    JobStatus.HALTED: Pill("Halted", "alert", "bad"),
    JobStatus.CANCELLING: Pill("Canceling", "stop", "warn"),
    JobStatus.CANCELLED: Pill("Canceled", "stop", ""),
    JobStatus.COMPLETED: Pill("Completed", "check", "good"),
    JobStatus.DISCARDED: Pill("Discarded", "cross", ""),
    JobStatus.EXPIRED: Pill("Expired", "clock", ""),
    JobStatus.REJECTED: Pill("Rejected", "cross", "bad"),
    JobStatus.REPORTED: Pill("Report only", "eye", ""),
}
# A completed job that settled, changed or reversed no claim.
COMPLETED_WITHOUT_CHANGES: Final[Mapping[JobKind, Pill]] = {
    kind: Pill(f"Completed, none {done}", "skip", "warn") for kind, done in DONE_WORDS.items()
}
OUTCOME: Final[Mapping[Outcome, Pill]] = {
    Outcome.SETTLED: Pill("Settled", "check", "good"),
    Outcome.SKIPPED: Pill("Skipped", "skip", "warn"),
    Outcome.FAILED: Pill("Failed", "alert", "bad"),
}
PERIOD_STATE: Final[Mapping[PeriodState, Pill]] = {
    PeriodState.OPEN: Pill("Open", "check", ""),
    PeriodState.CLOSED: Pill("Closed", "lock", "good"),
}
VERDICT: Final[Mapping[Verdict, Pill]] = {
    Verdict.SETTLE: Pill("Will settle", "check", "good"),
    Verdict.SKIP: Pill("Skipped", "skip", "warn"),
}
OVER_LIMIT: Final = Pill("Over the per-claim limit", "people", "warn")

# By type first, because two types may share a value (responsibility and payer are both `patient`).
LABELS: Final[Mapping[type[StrEnum], Mapping[Any, str]]] = {
    JobKind: {
        JobKind.SETTLE: "Settle",
        JobKind.STATUS: "Change status",
        JobKind.REVERSE: "Reverse",
    },
    JobStatus: {status: pill.word for status, pill in JOB_STATUS.items()},
    Outcome: {outcome: pill.word for outcome, pill in OUTCOME.items()},
    Verdict: {verdict: pill.word for verdict, pill in VERDICT.items()},
    WriteOffReason: REASON_NAMES,
    WriteOffSetting: {
        WriteOffSetting.PATIENT: "Patient",
        WriteOffSetting.INSURANCE: "Insurance",
        WriteOffSetting.BOTH: "Both: patient and insurance",
        WriteOffSetting.NEITHER: "Neither",
    },
    Responsibility: {
        Responsibility.INSURANCE: "Insurance",
        Responsibility.PATIENT: "Patient",
    },
    PostingKind: {
        PostingKind.CHARGE: "Charge",
        PostingKind.PAYMENT: "Payment",
        PostingKind.ADJUSTMENT: "Adjustment",
        PostingKind.TRANSFER: "Transfer",
        PostingKind.WRITE_OFF: "Write-off",
        PostingKind.REVERSAL: "Reversal",
    },
    PaidBy: {
        PaidBy.PRIMARY: "Ins 1",
        PaidBy.SECONDARY: "Ins 2",
        PaidBy.PATIENT: "Patient",
    },
    GroupCode: {group: code_labels.GROUP_LABELS[group].capitalize() for group in GroupCode},
    RuleAction: {action: action.value.capitalize() for action in RuleAction},
    # A payer's status and a claim's type are shown as they are.
    ClaimStatus: {status: "None" if status is ClaimStatus.NONE else status.value for status in ClaimStatus},
    ClaimType: {kind: kind.value for kind in ClaimType},
    Hold: {
        Hold.HOLD: "Hold",
        Hold.LEGAL: "Legal hold",
        Hold.APPEAL: "Appeal open",
        Hold.PAYMENT_PLAN: "Payment plan",
        Hold.EXCLUDED: "Excluded from write-offs",
    },
    Role: ROLE_WORDS,
    PayerClass: PAYER_CLASS_NAMES,
}

SETTING_DESCRIPTIONS: Final[Mapping[WriteOffSetting, str]] = {
    WriteOffSetting.PATIENT: "Writes off the patient balance to zero. The insurance balance does not change. "
    "It fits if you still expect insurance payments.",
    WriteOffSetting.INSURANCE: "Writes off the insurance balance to zero. The patient balance does not change. "
    "It fits if patients still receive statements.",
    WriteOffSetting.BOTH: "Writes off the insurance balance and the patient balance to zero. It fits if you "
    "expect no more payments on the claims that you settle.",
    WriteOffSetting.NEITHER: "Only the billing status changes: it becomes Settled. Nothing is written off. It fits if "
    "you write off balances in a different system.",
}

# Not all of the standard statuses: the others say what they mean.
STATUS_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "Internal Review": "Your office is looking into this claim. An import gives this status to a claim with a credit "
    "balance. The status alone does not stop a write-off.",
}

_FILTERS: Final = (
    "money", "limit", "number", "date", "clock_time", "moment", "clock_seconds", "zone", "words", "duration", "percent",
    "feed_address", "feed_fields", "day_text", "counted",
)  # fmt: skip


def register(app: Flask) -> None:
    """Give templates the filters and the labels."""
    app.add_template_global(utc_offset_seconds)
    app.add_template_filter(as_sentence)
    app.add_template_filter(zone_words)
    app.add_template_filter(code_labels.labeled)
    app.add_template_filter(code_labels.adjustment, "adjustment_code")
    for name in _FILTERS:
        app.add_template_filter(globals()[name], name)
    app.jinja_env.globals.update(
        OVER_LIMIT=OVER_LIMIT,
        SELF_PAY=SELF_PAY,
        JOB_STATUS=JOB_STATUS,
        job_status=job_status,
        OUTCOME=OUTCOME,
        VERDICT=VERDICT,
        PERIOD_STATE=PERIOD_STATE,
        SETTING_MEANS=SETTING_DESCRIPTIONS,
        STATUS_MEANS=STATUS_DESCRIPTIONS,
    )


def job_status(job: SettleJob, progress: Progress) -> Pill:
    """Return the job's status. It is green only if a completed job did something."""
    return COMPLETED_WITHOUT_CHANGES[job.kind] if outcome_sentences.did_nothing(progress) else JOB_STATUS[job.status]


def words(value: StrEnum | str | None) -> str:
    """Return the label of a value. Plain text is its own label, and None is a dash."""
    if value is None:
        return "–"
    return LABELS[type(value)][value] if isinstance(value, StrEnum) else value


def money(cents: int | None) -> str:
    """Format cents: 123456 → "$1,234.56". None is a dash."""
    return "–" if cents is None else format_cents(cents)


def limit(cents: int) -> str:
    """Format a limit for a page: "$1,234.56", or "unlimited"."""
    return format_limit(cents)


def number(count: int | None) -> str:
    """Format a count: 12431 → "12,431". None is a dash."""
    return "–" if count is None else f"{count:,}"


def date(day: dt.date | None) -> str:
    """Format a date: MM/DD/YYYY."""
    return "–" if day is None else f"{day:%m/%d/%Y}"


def day_text(written: str) -> str:
    """Format 2026-12-01 as 12/01/2026. Other text is unchanged."""
    try:
        return date(dt.date.fromisoformat(written))
    except ValueError:
        return written


def message_for_page(refusal: Refusal, sentence: str | None = None) -> str:
    """Return the refusal's message, or the given sentence, with its dates as MM/DD/YYYY."""
    text = refusal.message if sentence is None else sentence
    for day in refusal.facts.get("days", ()):
        text = text.replace(day, day_text(day))
    return text


def clock_time(time: dt.time | dt.datetime | None) -> str:
    """Format a time: 8:15 AM. None is an empty string."""
    return "" if time is None else clock(time)


def moment(at: dt.datetime | None) -> str:
    """Format a time in the practice's time zone, to the second: 11/23/2026 9:14:02 AM."""
    return "–" if at is None else f"{_practice_time(at):%m/%d/%Y} {clock_seconds(at)}"


def clock_seconds(at: dt.datetime | None) -> str:
    """Format only the time of day, in the practice's time zone: 9:14:02 AM."""
    return "–" if at is None else clock(_practice_time(at), seconds=True)


def zone(at: dt.datetime) -> str:
    """Return the short name of the practice's time zone at that time: EST."""
    return f"{_practice_time(at):%Z}"


def utc_offset_seconds() -> int:
    """Return how far the practice's clock is ahead of UTC now."""
    ahead = _practice_time(now()).utcoffset()
    assert ahead is not None
    return round(ahead.total_seconds())


def _practice_time(at: dt.datetime) -> dt.datetime:
    return at.astimezone(ZoneInfo(auth.current_practice().time_zone))


def duration(seconds: float | None) -> str:
    """Format a duration, rounded down: "1 second", "3 minutes", "2 hours 5 minutes"."""
    if seconds is None:
        return "unknown"
    whole = max(0, round(seconds))
    if whole < 60:  # noqa: PLR2004  (seconds in a minute)
        return counted(whole, "second")
    hours, minutes = divmod(whole // 60, 60)
    parts = [counted(hours, "hour")] if hours else []
    return " ".join(parts + ([counted(minutes, "minute")] if minutes or not hours else []))


def percent(part: int, whole: int | None) -> int:
    """Return a whole percentage, rounded down, so that 100 means all."""
    return part * 100 // whole if whole else 0


def feed_address(filter_: Mapping[str, Any]) -> str:
    """Return the feed's address with this filter."""
    return f"/claims?{feed_query_string(filter_)}"


def feed_query_string(filter_: Mapping[str, Any]) -> str:
    """Return the filter as a query string in the form that the feed uses."""
    return urlencode(feed_fields(filter_))


def feed_fields(filter_: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the filter's fields as the feed's form sends them: amounts in dollars, and true or false."""
    pairs = []
    for key, value in filter_.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, bool):
                pairs.append((key, "true" if one else "false"))
            elif key.endswith("_cents"):
                pairs.append((key.removesuffix("_cents"), format_plain_amount(one)))
            else:
                pairs.append((key, str(one)))
    return pairs

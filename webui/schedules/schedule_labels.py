"""Labels of the schedule pages: modes, states, results of runs, and filters in words."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import Flask

from core.claims.age_buckets import BUCKETS
from core.claims.feed import FeedChoices
from core.models.schedules import Schedule, ScheduleMode, ScheduleState
from core.schedules.descriptions import REPORT_WORDS, cents_cap, claims_cap, clock, describe_reason, minutes
from core.schedules.run_times import RunTime
from webui.claims.feed_columns import ELIGIBILITY_PILLS
from webui.shared.labels import Pill, date, money

MODE: Final[Mapping[ScheduleMode, Pill]] = {
    ScheduleMode.REPORT: Pill("Report only", "eye", ""),
    ScheduleMode.SETTLE: Pill("Settles", "check", "run"),
}
STATE: Final[Mapping[ScheduleState, Pill]] = {
    ScheduleState.ACTIVE: Pill("Active", "play", "good"),
    ScheduleState.PAUSED: Pill("Paused", "pause", "warn"),
    ScheduleState.STOPPED: Pill("Stopped", "stop", "bad"),
}
# By `RunReport.state`.
REPORT: Final[Mapping[str, Pill]] = {
    state: Pill(REPORT_WORDS[state], icon, tone)
    for state, icon, tone in (
        ("preparing", "dots", "run"),
        ("waiting", "people", "warn"),
        ("running", "play", "run"),
        ("paused", "pause", "warn"),
        ("halted", "alert", "bad"),
        ("cancelled", "stop", ""),
        ("settled", "check", "good"),
        ("none_settled", "skip", "warn"),
        ("discarded", "cross", ""),
        ("expired", "clock", ""),
        ("rejected", "cross", "bad"),
        ("report", "eye", ""),
        ("nothing", "info", ""),
        ("held", "lock", "warn"),
        ("missed", "alert", "bad"),
        ("stopped", "stop", "bad"),
        ("failed", "alert", "bad"),
    )
}
# States in which dollars and claims are a projection, not a result.
PROJECTED_STATES: Final = frozenset({"preparing", "waiting", "rejected", "expired", "discarded", "report"})

FILTER_LABELS: Final = {
    "billing_status": "Billing status",
    "claim_status": "Claim status",
    "claim_type": "Claim type",
    "office": "Office",
    "billing_provider": "Billing provider",
    "supervising_provider": "Supervising provider",
    "payer": "Payer name contains",
    "payer_id": "Payer ID",
    "primary_payer_id": "Ins 1 payer ID",
    "patient": "Patient name contains",
    "patient_id": "Patient ID",
    "claim_id": "Claim ID",
    "claim_id_part": "Claim ID contains",
    "claim_id_prefix": "Claim ID starts with",
    "from": "Date of service: from",
    "to": "Date of service: to",
    "amount_cents": "Billed amount or balance",
    **{
        f"{side}_due_{end}_cents": f"{name} balance: {words}"
        for side, name in (("insurance", "Insurance"), ("patient", "Patient"), ("total", "Total"))
        for end, words in (("min", "min"), ("max", "max"))
    },
    "age_bucket": "Days since date of service",
    "age_min_days": "Age in days: min",
    "age_max_days": "Age in days: max",
    "last_payment_before": "No payment since",
    "statements_sent_min": "Statements sent: min",
    "statements_sent_max": "Statements sent: max",
    "last_statement_before": "No statement since",
    "denied_from": "Denied: from",
    "denied_to": "Denied: to",
    "denial_group": "Denial group",
    "denial_carc": "Denial CARC",
    "has_primary": "Has insurance",
    "has_secondary": "Has secondary insurance",
    "on_hold": "On hold",
    "in_job": "Already in an unfinished job",
    "eligibility": "Write-off check",
}
_DATE_KEYS: Final = frozenset({
    "from", "to", "last_payment_before", "last_statement_before", "denied_from", "denied_to"
})  # fmt: skip


def register(app: Flask) -> None:
    """Give templates the pills and the filters."""
    app.jinja_env.globals.update(SCHEDULE_MODE=MODE, SCHEDULE_STATE=STATE, REPORT_STATE=REPORT, WOULD=PROJECTED_STATES)
    app.add_template_filter(describe_reason, "because_words")
    for filter_ in (clock, minutes, claims_cap, cents_cap):
        app.add_template_filter(filter_)


def describe_next_run(schedule: Schedule, run_time: RunTime | None, time_zone: str) -> str:
    """Say when it runs next. If the clock changes that day, say what that does to the run."""
    if schedule.state is ScheduleState.PAUSED:
        return "Paused. It won't run until someone resumes it."
    if schedule.state is ScheduleState.STOPPED:
        return "Stopped. It won't run until someone resumes it."
    if run_time is None:
        return "No further run is scheduled."
    at = run_time.instant.astimezone(ZoneInfo(time_zone))
    sentence = f"{at:%A} {date(at.date())} at {clock(at.time())}"
    return (
        f"{sentence}. {change}"
        if (change := describe_clock_change(run_time, schedule.local_time, time_zone))
        else sentence
    )


def describe_clock_change(run_time: RunTime, local_time: dt.time, time_zone: str) -> str:
    """Say what a clock change on the run date does to the run, or nothing on other dates."""
    zone = ZoneInfo(time_zone)
    wanted, at = dt.datetime.combine(run_time.date, local_time), run_time.instant.astimezone(zone)
    if at.replace(tzinfo=None) != wanted:
        return f"Clocks go forward and skip {clock(local_time)}, so it runs at {clock(at.time())}."
    first, second = (wanted.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if first != second:
        return f"Clocks go back and repeat {clock(local_time)}, so it runs once, the first time."
    return ""


def describe_filter(filter_: Mapping[str, Any], choices: FeedChoices) -> list[tuple[str, str]]:
    """Return label and value of each filter term, with offices and providers by name."""
    named = {
        "office": dict(choices.offices),
        "billing_provider": dict(choices.providers),
        "supervising_provider": dict(choices.providers),
        "age_bucket": {bucket.key.value: bucket.label for bucket in BUCKETS},
        "eligibility": {code: pill.word for code, pill in ELIGIBILITY_PILLS.items()},
    }
    return [(FILTER_LABELS[key], _format_value(key, value, named.get(key, {}))) for key, value in filter_.items()]


def _format_value(key: str, value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(names.get(one, one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key.endswith("_cents"):
        return money(value)
    if key in _DATE_KEYS:
        return date(dt.date.fromisoformat(value))
    return str(value)

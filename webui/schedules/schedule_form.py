"""The form of a schedule: read what was typed as a request, and keep faults by field."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from werkzeug.datastructures import MultiDict

from core.clock_times import clock
from core.models.schedules import Schedule
from core.money import UNLIMITED, UNLIMITED_WORD, BadAmount, format_plain_amount, parse_amount
from core.reading import NOTE_CHARACTERS_MAX, number
from core.schedules.requests import (
    DEFAULT_LATE_MINUTES,
    LATE_MINUTES_MAX,
    MAIL_TO_MAX,
    NAME_CHARACTERS_MAX,
    BadSchedule,
    ScheduleRequest,
    parse_claims_cap,
)
from webui.claims.feed_query import FILTER_KEYS, FeedQuery
from webui.shared.labels import feed_query_string

TEXT_FIELDS: Final = ("name", "local_time", "reason", "note", "claims_max", "cents_max", "late_minutes", "mail_to")
_DEFAULTS: Final = {"local_time": "2:00 AM", "late_minutes": str(DEFAULT_LATE_MINUTES)}
_WORKDAYS: Final = ("mon", "tue", "wed", "thu", "fri")
_TIME: Final = re.compile(r"(\d{1,2}):(\d{2})(?::00)?\s*(?:([AaPp])\.?[Mm]\.?)?", re.ASCII)
_NOON: Final = 12
# Core reports the field that is not valid. These messages are for the form, where users type dollars and choose names.
_FIELD_MESSAGES: Final = {
    "name": f"Enter a name of up to {NAME_CHARACTERS_MAX} characters.",
    "filter": "The filter is empty. Set at least one field, because a schedule can’t include every claim.",
    "local_time": "Enter a time, such as 2:30 AM.",
    "weekdays": "Choose at least one day of the week.",
    "reason": "Choose a reason for the write-off.",
    "note": f"Shorten the note to {NOTE_CHARACTERS_MAX} characters.",
    "claims_max": "Enter a number of claims, such as 500, or “unlimited”.",
    "cents_max": "Enter a dollar amount, such as 5,000.00, or “unlimited”.",
    "late_minutes": f"Enter a number of minutes from 1 to {LATE_MINUTES_MAX:,} (23 hours).",
    "mail_to": f"Enter up to {MAIL_TO_MAX} addresses such as name@example.org, separated by commas.",
}


@dataclass(frozen=True)
class ScheduleForm:
    """The fields as typed, and the request that they form (None if one is not valid)."""

    typed: Mapping[str, str]
    weekdays: Sequence[str]
    query: FeedQuery  # the filter's fields
    request: ScheduleRequest | None = None
    faults: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, query: FeedQuery) -> Self:
        """Return an empty form with a filter, and the filter's faults."""
        return cls(_DEFAULTS, _WORKDAYS, query)

    @classmethod
    def of_schedule(cls, schedule: Schedule) -> Self:
        """Return the form filled in with this schedule."""
        typed = {
            "name": schedule.name,
            "local_time": clock(schedule.local_time),
            "reason": schedule.reason_code,
            "note": schedule.note,
            "claims_max": UNLIMITED_WORD if schedule.claims_max == UNLIMITED else f"{schedule.claims_max:,}",
            "cents_max": UNLIMITED_WORD if schedule.cents_max == UNLIMITED else format_plain_amount(schedule.cents_max),
            "late_minutes": str(schedule.grace_minutes),
            "mail_to": ", ".join(schedule.mail_to),
        }
        return cls(typed, schedule.weekdays, FeedQuery.of_text(feed_query_string(schedule.filter)))

    @classmethod
    def of(cls, form: MultiDict[str, str]) -> Self:
        """Read what was sent. Everything typed is kept."""
        query = FeedQuery.of((key, value) for key, value in form.items(multi=True) if key in FILTER_KEYS)
        typed = {name: form.get(name, "").strip() for name in TEXT_FIELDS}
        weekdays = form.getlist("weekdays")
        request, faults = None, {}
        try:
            request = ScheduleRequest.of(_request_fields(typed, weekdays, query))
        except BadSchedule as refusal:
            faults = {name: _FIELD_MESSAGES.get(name, words) for name, words in refusal.facts["faults"].items()}
        if query.faults:
            faults["filter"] = query.faults.get("", "Fix the highlighted filter fields.")
        return cls(typed, weekdays, query, None if faults else request, faults)


def _request_fields(typed: Mapping[str, str], weekdays: Sequence[str], query: FeedQuery) -> dict[str, Any]:
    """Return the request for core. Unreadable values become values that core refuses."""
    return {
        **{name: typed[name] for name in ("name", "reason", "note")},
        "claims_max": parse_claims_cap(typed["claims_max"]),
        "filter": query.filter.given() if query.filter is not None else {},
        "local_time": _time(typed["local_time"]),
        "weekdays": weekdays,
        "cents_max": _cents(typed["cents_max"]),
        "late_minutes": number(typed["late_minutes"]),
        "mail_to": [address for address in re.split(r"[\s,;]+", typed["mail_to"]) if address],
    }


def _time(text: str) -> dt.time | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, half = int(match[1]), int(match[2]), (match[3] or "").lower()
    if half and not 1 <= hour <= _NOON:
        return None
    if half:
        hour = hour % _NOON + (_NOON if half == "p" else 0)
    try:
        return dt.time(hour, minute)
    except ValueError:
        return None


def _cents(text: str) -> int | str | None:
    if text.lower() == UNLIMITED_WORD:
        return UNLIMITED_WORD
    try:
        return parse_amount(text)
    except BadAmount:
        return None

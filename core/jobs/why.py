"""Why a rule said no: the values that it saw, in words."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from core.claims.models import Hold
from core.money import format_cents

_LABELS: Final = {
    "billing_status": "billing status",
    "previewed_status": "billing status at the preview",
    "hold": "hold",
    "hold_until": "its last day",
    "excluded": "excluded",
    "other_job": "job that holds it",
    "service_date": "date of service",
    "today": "today",
    "insurance_due": "insurance due",
    "patient_due": "patient due",
    "primary_status": "Ins 1 status",
    "secondary_status": "Ins 2 status",
    "last_payment_on": "last payment",
    "recent_payment_days": "days that count as lately",
    "payer_class": "class of Ins 1",
    "schedule_note": "note of the schedule",
    "version": "version",
    "previewed_version": "version at the preview",
    "reversed_by": "reversed by job",
    "version_after": "version when it was settled",
}
_AMOUNTS: Final = frozenset({"insurance_due", "patient_due"})
_DATES: Final = frozenset({"service_date", "today", "last_payment_on", "hold_until"})
_HOLDS: Final = {
    Hold.HOLD: "hold",
    Hold.LEGAL: "legal hold",
    Hold.APPEAL: "appeal open",
    Hold.PAYMENT_PLAN: "payment plan",
    Hold.EXCLUDED: "excluded patient or payer",
}


def words(why: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Label and value of each thing that the rule saw; dates as MM/DD/YYYY, amounts as dollars."""
    return [(_LABELS.get(name, name), _value(name, value)) for name, value in (why or {}).items()]


def _value(name: str, value: Any) -> str:
    if value is None:
        return "none"
    if name in _AMOUNTS:
        return format_cents(value)
    if name in _DATES:
        return dt.date.fromisoformat(value).strftime("%m/%d/%Y")
    return _HOLDS[Hold(value)] if name == "hold" else str(value)

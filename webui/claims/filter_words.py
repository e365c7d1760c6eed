"""A filter of claims in words, as the feed shows it."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from core.claims.age_buckets import BUCKETS
from core.claims.feed import FeedChoices
from core.x12 import code_labels
from webui.claims.feed_columns import AGE_BASIS_NAMES, ELIGIBILITY_PILLS
from webui.shared.labels import date, money

FILTER_LABELS: Final = {
    "billing_status": "Billing status",
    "claim_status": "Ins 1 or Ins 2 status",
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
    "age_bucket": "Age",
    "age_basis": "Age counts from",
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
    "last_answer_from": "Last answer: from",
    "last_answer_to": "Last answer: to",
    "last_answer_status": "Answer status",
    "payer_claim_number": "Payer’s claim number",
    "no_answer_min_days": "Days without an answer: min",
    "has_primary": "Has insurance",
    "has_secondary": "Has secondary insurance",
    "on_hold": "On hold",
    "in_job": "Already in an unfinished job",
    "eligibility": "Write-off check",
}
_DATE_KEYS: Final = frozenset({
    "from", "to", "last_payment_before", "last_statement_before", "denied_from", "denied_to", "last_answer_from",
    "last_answer_to",
})  # fmt: skip


def label_of(key: str) -> str:
    """Return the label of a field of the feed's form, without the end of a range."""
    label = FILTER_LABELS.get(key) or FILTER_LABELS[f"{key}_cents"]
    return label.partition(":")[0]


def describe_filter(filter_: Mapping[str, Any], choices: FeedChoices) -> list[tuple[str, str]]:
    """Return label and value of each filter term in the form's order, with offices and providers by name."""
    named = {
        "office": dict(choices.offices),
        "billing_provider": dict(choices.providers),
        "supervising_provider": dict(choices.providers),
        "age_bucket": {bucket.key.value: bucket.label for bucket in BUCKETS},
        "last_answer_status": {code: code_labels.labeled(code, "status") for code in code_labels.STATUS_LABELS},
        "eligibility": {code: pill.word for code, pill in ELIGIBILITY_PILLS.items()},
    }
    in_order = sorted(filter_, key=list(FILTER_LABELS).index)
    return [(FILTER_LABELS[key], _format_value(key, filter_[key], named.get(key, {}))) for key in in_order]


def _format_value(key: str, value: Any, names: Mapping[str, str]) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(names.get(one, one) for one in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "age_basis":
        return AGE_BASIS_NAMES[value]
    if key.endswith("_cents"):
        return money(value)
    if key in _DATE_KEYS:
        return date(dt.date.fromisoformat(value))
    return str(value)

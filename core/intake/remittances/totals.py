"""Totals of the remittances of an import, to compare with the bank and with what was posted."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.counting import counted
from core.models.remittances import Outcome


class Total(NamedTuple):
    """A count, a sum in cents, or both."""

    words: str
    number: int | None
    cents: int | None


def only_remittances(report: Mapping[str, Any]) -> bool:
    """Return whether an import contains remittances and no claims, so that only their totals say something."""
    x12 = report.get("x12")
    return bool(x12 and x12["remittances"]["transactions"] and "in_file" in report and not report["in_file"]["claims"])


def total_rows(x12: Mapping[str, Any] | None) -> list[Total]:
    """Return what came: checks and transfers, answers by outcome, and what they post. It reads what a report stores."""
    found = x12["remittances"]["transactions"] if x12 else []
    if not found:
        return []
    new = [one for one in found if not one["is_refused"] and one["recorded_on"] is None]

    def cents(name: str) -> int:
        return sum(one[name] for one in new)

    def answers(outcome: Outcome) -> int:
        return sum(one["outcomes"].get(outcome.value, 0) for one in new)

    rows = [
        Total("Checks and transfers", len(new), cents("paid_cents")),
        Total("Answers posted", answers(Outcome.POSTED), None),
        Total("Answers posted with a warning", answers(Outcome.WARNED), None),
        Total("Answers held", answers(Outcome.HELD), None),
        Total("Insurance payments", None, cents("payments_cents")),
        Total("Adjustments", None, cents("adjustments_cents")),
        Total("Moved to the patient", None, cents("transferred_cents")),
    ]
    rare = [
        Total("Answers with nothing to post", answers(Outcome.NOTHING_TO_POST), None),
        Total("Reversed", None, cents("reversed_cents")),
        Total("Provider adjustments", None, cents("provider_cents")),
        Total("Remittances imported before", sum(one["recorded_on"] is not None for one in found), None),
        Total("Remittances refused", sum(one["is_refused"] for one in found), None),
    ]
    return [*rows, *(one for one in rare if one.number or one.cents)]


def what_is_new(x12: Mapping[str, Any] | None) -> str:
    """Return how many remittances are new, such as "2 remittances", or an empty text."""
    recorded = x12["remittances"]["recorded"] if x12 else 0
    return counted(recorded, "remittance") if recorded else ""

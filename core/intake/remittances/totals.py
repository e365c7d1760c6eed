"""Totals of the remittances of an import, to compare with the bank and with what was posted."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.counting import counted
from core.enums.remittances import Outcome
from core.intake.remittances import reasons
from core.reading import as_sentence


class Total(NamedTuple):
    """A count, a sum in cents, or both."""

    words: str
    number: int | None
    cents: int | None
    is_sum: bool = False  # of the rows above


def only_remittances(report: Mapping[str, Any]) -> bool:
    """Return whether an import contains remittances and no claims, so that only their totals say something."""
    x12 = report.get("x12")
    return bool(x12 and x12["remittances"]["transactions"] and "in_file" in report and not report["in_file"]["claims"])


def total_rows(x12: Mapping[str, Any] | None) -> list[Total]:
    """Return what was paid, by what became of it, which adds up to the deposits. It reads what a report stores."""
    found = x12["remittances"]["transactions"] if x12 else []
    if not found:
        return []
    new = [one for one in found if not one["is_refused"] and one["recorded_on"] is None]

    def cents(name: str) -> int:
        return sum(one[name] for one in new)

    def answers(words: str, outcome: Outcome) -> Total:
        # A report of an earlier version has no payments by outcome.
        paid = [one["paid_of"].get(outcome.value, 0) for one in new if "paid_of" in one]
        return Total(words, sum(one["outcomes"].get(outcome.value, 0) for one in new), sum(paid) if paid else None)

    rare = [
        answers("Answers with nothing to post", Outcome.NOTHING_TO_POST),
        Total("Less provider adjustments", None, -cents("provider_cents")),
        Total("Out of balance", None, cents("paid_cents") - cents("claims_cents") + cents("provider_cents")),
    ]
    return [
        answers("Payments of posted answers", Outcome.POSTED),
        answers("Payments of answers posted with a warning", Outcome.WARNED),
        answers("Payments of held answers", Outcome.HELD),
        *(one for one in rare if one.number or one.cents),
        Total("Checks and transfers", len(new), cents("paid_cents"), is_sum=True),
        *(one for one in _not_recorded(found) if one.number),
    ]


def _not_recorded(found: Sequence[Mapping[str, Any]]) -> list[Total]:
    return [
        Total("Remittances imported before", sum(one["recorded_on"] is not None for one in found), None),
        Total("Remittances refused", sum(one["is_refused"] for one in found), None),
    ]


def posted_rows(x12: Mapping[str, Any] | None, receivable: Mapping[str, int] | None) -> list[Total]:
    """Return what the remittances post, and what the A/R of the practice is before and after the import."""
    found = x12["remittances"]["transactions"] if x12 else []
    if x12 is None or not found:
        return []
    rows = [
        Total(words, None, sum(one[name] for one in found))
        for words, name in (
            ("Insurance payments", "payments_cents"), ("Adjustments", "adjustments_cents"),
            ("Moved to the patient", "transferred_cents"), ("Earlier postings reversed", "reversed_cents"),
        )
    ]  # fmt: skip
    write_offs = x12["remittances"].get("write_offs_cents", 0)
    rows += [Total("Write-offs reversed by payments", None, write_offs)] * bool(write_offs)
    if receivable is None:  # as in a report of an earlier version
        return rows
    remittances = x12["remittances"]["answers_cents"] + write_offs
    return [
        *rows,
        Total("A/R of the practice before", None, receivable["before_cents"]),
        Total("New claims and their postings", None, receivable["claims_cents"]),
        Total("Remittances", None, remittances),
        Total("A/R of the practice after", None, sum(receivable.values()) + remittances, is_sum=True),
    ]


def words_of(one: Mapping[str, Any]) -> list[str]:
    """Return what became of one remittance, in sentences: why it is not new, or what holds its answers."""
    if one["is_refused"]:
        return [as_sentence(f"refused: {reasons.describe(one['because'])}")]
    if one.get("same_as"):
        return [f"Repeats {one['same_as']} of this import. Nothing is posted again."]
    if one["recorded_on"] is not None:
        return [f"Imported before, on {dt.date.fromisoformat(one['recorded_on']):%m/%d/%Y}. Nothing is posted again."]
    if not one["claims"]:
        return ["Provider adjustments only. Nothing is posted."]
    held = sorted(one["held_reasons"].items(), key=lambda each: (-each[1], each[0]))
    return [
        as_sentence(reasons.describe(code) if reasons.REASONS[code].is_of_whole else f"{count:,} held: {words}")
        for code, count in held
        for words in [reasons.describe(code)]
    ]


def what_is_new(x12: Mapping[str, Any] | None) -> str:
    """Return how many remittances are new, such as "2 remittances", or an empty text."""
    recorded = x12["remittances"]["recorded"] if x12 else 0
    return counted(recorded, "remittance") if recorded else ""

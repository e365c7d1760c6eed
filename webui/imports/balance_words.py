"""What an import says of write-offs that it reverses or restores, and of postings that Batch Settle already has."""

from collections.abc import Mapping
from typing import Any

from core.intake.loading.forecast import moved_write_off_cents
from core.money import format_cents
from webui.imports.import_labels import to_post_words


def needs_corrections(report: Mapping[str, Any]) -> bool:
    """Return whether the balances agree with the files only if the corrections are posted."""
    found = report.get("forecast")
    if not found:  # not a check, or one by an earlier version
        return False
    without = found["before_cents"] + found["new_cents"] + found.get("reversed_cents", 0)
    added = found["to_post_cents"] + found.get("to_post_reversed_cents", 0)
    return bool(added) and without + added == found["file_cents"]


def has_recognized(report: Mapping[str, Any]) -> str:
    """Return the verb for the recognized postings: a file may contain a reversal that its own payment causes."""
    return "already has, or posts with this import" if moved_write_off_cents(report) else "already has"


def not_in_new(report: Mapping[str, Any], *, is_ready: bool) -> str:
    """Return what the totals of new rows leave out, or ""."""
    parts = [to_post_words(report["corrections"])] if is_ready and report["corrections"].get("to_post") else []
    cents = moved_write_off_cents(report)
    if cents:
        what = "reversed" if cents > 0 else "restored"
        parts.append(f"the {format_cents(abs(cents))} in {what} write-offs")
    return " or ".join(parts)

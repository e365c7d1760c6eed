"""The sentence of an event, for notices, e-mails and the delivery log. It has counts, and no name and no dollars."""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final

from core.counting import counted
from core.enums.jobs import DONE_WORDS, JobKind
from core.enums.notices import EventKind, NoticeKind
from core.jobs import codes
from core.models.notices import Event
from core.money import format_cents
from core.notices import folder_problems

NOTICE_KINDS: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.ENDED: "My job ends, or my posting is approved or rejected",
    NoticeKind.HALTED: "My job halts",
    NoticeKind.EXPIRES: "A job will expire soon",
    NoticeKind.APPROVAL: "A job or a posting needs my approval",
    NoticeKind.WEBHOOK: "A webhook fails",
    NoticeKind.IMPORT: "The watched folder needs my attention",
    NoticeKind.REVIEW: "The weekly review is ready",
}
_ENDS: Final = {
    EventKind.CONFIRMED: "was confirmed",
    EventKind.COMPLETED: "completed",
    EventKind.HALTED: "halted",
    EventKind.CANCELLED: "was canceled",
    EventKind.REJECTED: "was rejected",
    EventKind.EXPIRED: "expired",
    EventKind.DISCARDED: "was discarded by another user",
    EventKind.REVERSED: "was reversed",
    EventKind.APPROVAL_REQUESTED: "needs approval",
    EventKind.PREVIEW_EXPIRES: "expires in 15 minutes unless it is confirmed",
    EventKind.APPROVAL_EXPIRES: "expires in 1 day unless it is approved",
}
_OF_ENTRY: Final = {
    EventKind.POSTINGS_ENTERED: "posted on",
    EventKind.POSTING_ASKED: "needs approval on",
    EventKind.POSTING_APPROVED: "was approved on",
    EventKind.POSTING_REJECTED: "was rejected on",
}
_ENTRIES: Final = {
    "payment": "Payment", "adjustment": "Adjustment", "transfer": "Transfer", "refund": "Refund",
    "credit_transfer": "Credit transfer", "void": "Void",
}  # fmt: skip


def sentence(event: Event) -> str:
    """Return a sentence such as "Job 1,042 completed: 72 claims settled, 3 skipped, 0 failed"."""
    facts = event.facts
    match event.kind:
        case EventKind.TEST:
            return "Test event"
        case EventKind.WEBHOOK_FAILED | EventKind.REVIEW_READY | EventKind.AUDIT_LAST_ENTRY:
            return _of_practice(event.kind, facts)
        case EventKind.POSTINGS_WRITTEN:
            return f"Job {event.job_id:,} posted entries for {counted(facts['new_settled'], 'claim')}"
        case kind if kind in _OF_ENTRY:
            return f"{_ENTRIES[facts['entry']]} {_OF_ENTRY[kind]} {counted(len(facts['claim_ids']), 'claim')}"
        case EventKind.POSTINGS_IMPORTED | EventKind.IMPORT_NEEDS_USER:
            return _of_import(event.kind, facts)
    words = f"Job {event.job_id:,} {_ENDS[event.kind]}"
    if event.kind is EventKind.HALTED and facts["halted_because"]:
        words += f" ({codes.describe(facts['halted_because'])})"
    return f"{words}: {_counts(event.kind, facts)}"


def _of_practice(kind: EventKind, facts: Mapping[str, Any]) -> str:
    if kind is EventKind.WEBHOOK_FAILED:
        return f"Webhook {facts['webhook_id']:,} did not accept an event for three days"
    if kind is EventKind.AUDIT_LAST_ENTRY:
        return f"Last entry of the audit log: number {facts['number']:,}, checksum {facts['sha256']}"
    monday = dt.date.fromisoformat(facts["week"])
    found = counted(facts["findings"], "finding") if facts["findings"] else "no findings"
    if facts.get("under_limit_cents"):
        found += f", and {format_cents(facts['under_limit_cents'])} under the limits"
    return f"Weekly review of {monday:%m/%d/%Y} to {monday + dt.timedelta(days=6):%m/%d/%Y}: {found}"


def _of_import(kind: EventKind, facts: Mapping[str, Any]) -> str:
    if kind is EventKind.POSTINGS_IMPORTED:
        return f"Import added {counted(facts['postings'], 'posting')}"
    if "import_id" not in facts:
        return folder_problems.describe(facts["because"], files=facts.get("files", 0), where=facts.get("where", ""))
    what = "was stopped" if facts["is_stopped"] else "waits for you"
    return f"Import {facts['import_id']:,} from the watched folder {what}"


def _counts(kind: EventKind, facts: Mapping[str, Any]) -> str:
    done = DONE_WORDS[JobKind(facts["kind"])]
    if kind in (EventKind.COMPLETED, EventKind.HALTED, EventKind.CANCELLED, EventKind.REVERSED):
        left = f", {facts['remaining']:,} remaining" if facts["remaining"] else ""
        return (
            f"{counted(facts['settled'], 'claim')} {done}, {facts['skipped']:,} skipped, {facts['failed']:,} failed"
            f"{left}"
        )
    return f"{counted(facts['will_settle'], 'claim')} of {facts['claims']:,} will be {done}"

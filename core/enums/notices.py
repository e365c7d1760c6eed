"""The kinds of events and notices, and the state of a message."""

from enum import StrEnum


class EventKind(StrEnum):
    """What happened. A webhook's receiver sees these as `type`."""

    APPROVAL_REQUESTED = "job.approval_requested"
    CONFIRMED = "job.confirmed"
    COMPLETED = "job.completed"
    HALTED = "job.halted"
    CANCELLED = "job.cancelled"
    REJECTED = "job.rejected"
    EXPIRED = "job.expired"
    DISCARDED = "job.discarded"  # by another user than its requester
    REVERSED = "job.reversed"  # of the original job, when its reversal ends
    POSTINGS_WRITTEN = "postings.written"  # by a job
    POSTINGS_ENTERED = "postings.entered"  # by a user or a program
    POSTINGS_IMPORTED = "postings.imported"
    POSTING_ASKED = "posting.approval_requested"  # by hand over the per-claim limit
    POSTING_APPROVED = "posting.approved"
    POSTING_REJECTED = "posting.rejected"
    PREVIEW_EXPIRES = "job.preview_expires_soon"
    APPROVAL_EXPIRES = "job.approval_expires_soon"
    WEBHOOK_FAILED = "webhook.failed"
    IMPORT_NEEDS_USER = "import.needs_user"  # a watched folder, or an import of it, waits or was stopped
    REVIEW_READY = "review.ready"  # of the audit log of last week
    AUDIT_LAST_ENTRY = "audit.last_entry"  # once a day
    TEST = "webhook.test"


class NoticeKind(StrEnum):
    """What a notice is about. Users turn off e-mail by kind."""

    ENDED = "job_ended"
    HALTED = "job_halted"
    EXPIRES = "job_expires"
    APPROVAL = "approval_needed"
    WEBHOOK = "webhook_failed"
    IMPORT = "import_needs_user"
    REVIEW = "weekly_review"


class OutboxState(StrEnum):
    """The state of a message."""

    WAITING = "waiting"  # for the job of its run
    DUE = "due"
    SENDING = "sending"
    SENT = "sent"
    GIVEN_UP = "given_up"

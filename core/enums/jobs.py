"""The kinds and statuses of jobs."""

from enum import StrEnum
from typing import Final


class JobKind(StrEnum):
    """What a job does to its claims."""

    SETTLE = "settle"  # status and money
    STATUS = "status"  # status only
    REVERSE = "reverse"


class JobStatus(StrEnum):
    """The status of a job. The moves between statuses are in `core.jobs.lifecycle`."""

    PREPARING = "preparing"
    PREVIEWED = "previewed"
    AWAITING_APPROVAL = "awaiting_approval"
    CONFIRMED = "confirmed"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    HALTED = "halted"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPORTED = "reported"


OPEN_STATUSES: Final = (
    JobStatus.AWAITING_APPROVAL,
    JobStatus.CONFIRMED,
    JobStatus.RUNNING,
    JobStatus.PAUSING,
    JobStatus.PAUSED,
    JobStatus.HALTED,
    JobStatus.CANCELLING,
)
IN_PROGRESS_STATUSES: Final = (
    JobStatus.PREPARING,
    JobStatus.CONFIRMED,
    JobStatus.RUNNING,
    JobStatus.PAUSING,
    JobStatus.CANCELLING,
)
WORKABLE_STATUSES: Final = (JobStatus.CONFIRMED, JobStatus.RUNNING)  # workers take chunks of these
FINAL_STATUSES: Final = (
    JobStatus.COMPLETED,
    JobStatus.CANCELLED,
    JobStatus.DISCARDED,
    JobStatus.EXPIRED,
    JobStatus.REJECTED,
    JobStatus.REPORTED,
)


class NextStep(StrEnum):
    """What happens after the items are frozen."""

    ASK = "ask"  # a user reads the preview and types CONFIRM
    REPORT = "report"  # a report-only schedule
    CONFIRM = "confirm"  # a schedule that settles


class DiscardedBecause(StrEnum):
    """Why a scheduled run's job was discarded: what changed while it was prepared."""

    OWNER_LEFT = "owner_left"
    OWNER_MAY_NOT = "owner_may_not"
    REQUESTER_MAY_NOT = "asker_may_not"  # the user who pressed "run now"
    PERIOD_CLOSED = "period_closed"


class JobFile(StrEnum):
    """One of the three files of a job."""

    SETTLED = "settled"
    NOT_SETTLED = "not-settled"
    NOT_PROCESSED = "not-processed"

    @classmethod
    def _missing_(cls, value: object) -> "JobFile | None":
        """Return the file by its earlier name."""
        return EARLIER_FILES.get(value)


EARLIER_FILES: Final[dict[object, JobFile]] = {"not-reached": JobFile.NOT_PROCESSED}  # its name in 0.1.0


CONFIRMATION: Final = "CONFIRM"  # what a user types
DONE_WORDS: Final = {
    JobKind.SETTLE: "settled",
    JobKind.STATUS: "changed",
    JobKind.REVERSE: "reversed",
}

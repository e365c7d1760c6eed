"""What a schedule does and the results of its runs, in words."""

from typing import Final

from sqlalchemy.orm import Session

from core.clock_times import clock, zone_words
from core.counting import counted
from core.enums.jobs import DiscardedBecause, JobStatus
from core.enums.schedules import RunOutcome, ScheduleMode
from core.models.schedules import Schedule
from core.money import UNLIMITED, format_cents
from core.practices import reasons
from core.practices.write_off_setting import SettingNotChosen
from core.schedules.requests import WEEKDAYS

OWNER_LEFT: Final = DiscardedBecause.OWNER_LEFT.value
OWNER_MAY_NOT: Final = DiscardedBecause.OWNER_MAY_NOT.value
TOO_LATE: Final = "too_late"
NEXT_RUN_CAME: Final = "next_night_came"
TIME_ZONE_CHANGED: Final = "time_zone_changed"
EDITED: Final = "edited"
PAUSED: Final = "paused"
DELETED: Final = "deleted"
UNEXPECTED_ERROR: Final = "broke"
DATABASE_BUSY: Final = "database_busy"

REASONS: Final = {
    OWNER_LEFT: "The owner's account was deactivated. Resume the schedule to become its owner",
    DiscardedBecause.REQUESTER_MAY_NOT: (
        "The user who chose Run now was deactivated or no longer has the required role. Choose Run now again"
    ),
    OWNER_MAY_NOT: "The owner's role no longer allows settling claims. Resume the schedule to become its owner",
    TOO_LATE: "No process was running to start the run before its deadline",
    NEXT_RUN_CAME: "No process was running to start the run before the next one was due",
    TIME_ZONE_CHANGED: "The time zone was changed, and the run's deadline had already passed in the new zone",
    EDITED: "A user changed the schedule's days or time before the run started",
    PAUSED: "A user paused the schedule before the run started",
    DELETED: "A user deleted the schedule before the run started",
    DiscardedBecause.PERIOD_CLOSED: (
        "The month of the run's posting date is closed. Reopen the month and choose Run now, or settle these claims "
        "from the Live Claims Feed with an open posting date"
    ),
    SettingNotChosen.code: (
        "The practice has not chosen its Balance Writeoff setting. After an administrator chooses it on the Write-off "
        "settings page, choose Run now"
    ),
    UNEXPECTED_ERROR: (
        "An unexpected error occurred on every try before the run's deadline. See the server log for details"
    ),
    DATABASE_BUSY: "The database was busy or unavailable on every try before the run's deadline",
}

# By `RunReport.state`.
REPORT_WORDS: Final = {
    "preparing": "Preparing",
    "waiting": "Awaiting approval",
    "running": "Running",
    "paused": "Paused",
    "halted": "Halted",
    "cancelled": "Canceled",
    "settled": "Settled",
    "none_settled": "None settled",
    "discarded": "Discarded",
    "expired": "Expired",
    "rejected": "Rejected",
    "report": "Report only",
    "nothing": "Nothing to do",
    "held": "Claims in another job",
    "missed": "Missed",
    "stopped": "Stopped",
    "failed": "Failed",
}

OUTCOME_LABELS: Final = {
    RunOutcome.JOB: "A job was created",
    RunOutcome.NOTHING: "No claim matched",
    RunOutcome.MISSED: "Missed",
    RunOutcome.STOPPED: "The schedule stopped",
    RunOutcome.FAILED: "Failed",
}

# The state of a run by the status of its job, for pages and programs.
STATE_LABELS: Final = {
    JobStatus.PREPARING: "preparing",
    JobStatus.PREVIEWED: "preparing",
    JobStatus.AWAITING_APPROVAL: "waiting",
    JobStatus.CONFIRMED: "running",
    JobStatus.RUNNING: "running",
    JobStatus.PAUSING: "running",
    JobStatus.PAUSED: "paused",
    JobStatus.HALTED: "halted",
    JobStatus.CANCELLING: "running",
    JobStatus.CANCELLED: "cancelled",
    JobStatus.COMPLETED: "settled",
    JobStatus.DISCARDED: "discarded",
    JobStatus.EXPIRED: "expired",
    JobStatus.REJECTED: "rejected",
    JobStatus.REPORTED: "report",
}

DAY_NAMES: Final = dict(
    zip(WEEKDAYS, ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), strict=True)
)
_DAY_RANGE_MIN: Final = 3  # fewer days are listed one by one


def describe_reason(code: str | None) -> str:
    """Say why a run did not start or a schedule stopped. A refusal's code is shown as it is."""
    return REASONS.get(code or "", (code or "").replace("_", " "))


def describe(session: Session, schedule: Schedule, time_zone: str) -> str:
    """Return a sentence on what it does, when, and its caps."""
    when = f"{format_days(schedule.weekdays)} at {clock(schedule.local_time)} ({zone_words(time_zone)})"
    reason = reasons.name(session, schedule.practice_id, schedule.reason_code)
    caps = f"{claims_cap(schedule.claims_max)}, {cents_cap(schedule.cents_max)}"
    if schedule.mode is ScheduleMode.REPORT:
        return f"{when}, this schedule only reports what it would settle (reason: {reason}). Caps: {caps}."
    capped = schedule.claims_max < UNLIMITED or schedule.cents_max < UNLIMITED
    waits = " A run over a cap needs another user's approval." if capped else ""
    return f"{when}, this schedule settles claims (reason: {reason}). Caps: {caps}.{waits}"


def format_days(weekdays: list[str]) -> str:
    """Return, for example, "Every Monday through Friday"."""
    at = sorted(WEEKDAYS.index(day) for day in weekdays)
    named = [DAY_NAMES[WEEKDAYS[index]] for index in at]
    if len(named) == len(WEEKDAYS):
        return "Every day"
    if len(named) >= _DAY_RANGE_MIN and at[-1] - at[0] == len(at) - 1:
        return f"Every {named[0]} through {named[-1]}"
    return f"Every {' and '.join(filter(None, (', '.join(named[:-1]), named[-1])))}"


def minutes(count: int) -> str:
    """Return, for example, "4 hours" or "1 hour 30 minutes"."""
    hours, rest = divmod(count, 60)
    parts = [counted(n, unit) for n, unit in ((hours, "hour"), (rest, "minute")) if n]
    return " ".join(parts)


def claims_cap(most: int) -> str:
    """Return a cap on claims, such as "1 claim"."""
    return "unlimited claims" if most >= UNLIMITED else counted(most, "claim")


def cents_cap(most: int) -> str:
    """Return a cap on dollars, such as "$1,000.00"."""
    return "unlimited dollars" if most >= UNLIMITED else format_cents(most)

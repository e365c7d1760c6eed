"""The modes and states of schedules, and the outcome of a run."""

from enum import StrEnum


class ScheduleMode(StrEnum):
    """What a run does with the claims that match."""

    REPORT = "report"  # report what would settle
    SETTLE = "settle"


class ScheduleState(StrEnum):
    """Whether the schedule runs."""

    ACTIVE = "active"
    PAUSED = "paused"  # by a user
    STOPPED = "stopped"  # by the system, with a reason


class RunOutcome(StrEnum):
    """The result of a run."""

    JOB = "job"  # a job was created and has the result
    NOTHING = "nothing"  # no claim matched
    MISSED = "missed"  # it was due and did not run; `reason_code` has the reason
    STOPPED = "stopped"  # the schedule stopped instead
    FAILED = "failed"  # an error; `reason_code` has its code

"""What a job's pages call things, by its kind: a reversal restores where a settle job writes off."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from core.models.jobs import JobKind
from webui.shared.labels import Pill


class ConfirmLabels(NamedTuple):
    """What the box of CONFIRM calls things; no word of money where none moves."""

    will: Pill
    verb: str  # on the button
    insurance: str = ""
    patient: str = ""
    insurance_column: str = ""
    patient_column: str = ""
    title: str = "Confirm Bulk Status Change"


class RunLabels(NamedTuple):
    """What the pages of a job that was confirmed call things."""

    heading: str  # "Job 7 · settle 72 claims"
    done: str  # the outcome of a claim that went
    moved: str  # the dollars; "" where none move
    insurance_column: str = ""
    patient_column: str = ""


CONFIRM_LABELS: Final[Mapping[JobKind, ConfirmLabels]] = {
    JobKind.SETTLE: ConfirmLabels(
        Pill("Will settle", "check", "good"),
        "Settle",
        "Insurance write-off",
        "Patient write-off",
        "Ins write-off",
        "Pt write-off",
    ),
    JobKind.STATUS: ConfirmLabels(Pill("Will change", "check", "good"), "Change"),
    JobKind.REVERSE: ConfirmLabels(
        Pill("Will be reversed", "check", "good"),
        "Reverse",
        "Insurance balance restored",
        "Patient balance restored",
        "Ins restored",
        "Pt restored",
        "Confirm Reversal",
    ),
}
RUN_LABELS: Final[Mapping[JobKind, RunLabels]] = {
    JobKind.SETTLE: RunLabels("settle", "Settled", "Written off", "Ins written off", "Pt written off"),
    JobKind.STATUS: RunLabels("change", "Changed", ""),
    JobKind.REVERSE: RunLabels("reverse", "Reversed", "Restored", "Ins restored", "Pt restored"),
}

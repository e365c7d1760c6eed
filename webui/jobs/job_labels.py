"""Labels of a job's pages, by its kind: a reversal restores, a settle job writes off."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from core.enums.jobs import JobKind
from webui.shared.labels import Pill


class ConfirmLabels(NamedTuple):
    """Labels of the CONFIRM dialog. They mention no money if nothing is posted."""

    will: Pill
    verb: str  # on the button
    insurance: str = ""
    patient: str = ""
    insurance_column: str = ""
    patient_column: str = ""
    title: str = "Confirm Batch Status Change"


class RunLabels(NamedTuple):
    """Labels of the pages of a confirmed job."""

    heading: str  # "Job 7 · settle 72 claims"
    done: str  # the outcome of a successful claim
    moved: str  # the dollars; "" if nothing is posted
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

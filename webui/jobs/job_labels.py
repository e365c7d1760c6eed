"""What a job's pages call things, by its kind: a reversal restores where a settle job writes off."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from core.models.jobs import JobKind
from webui.shared.labels import Pill


class BoxWords(NamedTuple):
    """What the box of CONFIRM calls things; no word of money where none moves."""

    will: Pill
    verb: str  # on the button
    insurance: str = ""
    patient: str = ""
    insurance_column: str = ""
    patient_column: str = ""
    title: str = "Confirm Bulk Status Change"


class RunWords(NamedTuple):
    """What the pages of a job that was confirmed call things."""

    heading: str  # "Job 7 · settle 72 claims"
    done: str  # the outcome of a claim that went
    moved: str  # the dollars; "" where none move
    insurance_column: str = ""
    patient_column: str = ""


BOX_WORDS: Final[Mapping[JobKind, BoxWords]] = {
    JobKind.SETTLE: BoxWords(
        Pill("Will settle", "check", "good"),
        "Settle",
        "Insurance write-off",
        "Patient write-off",
        "Ins write-off",
        "Pt write-off",
    ),
    JobKind.STATUS: BoxWords(Pill("Will change", "check", "good"), "Change"),
    JobKind.REVERSE: BoxWords(
        Pill("Will be reversed", "check", "good"),
        "Reverse",
        "Insurance balance restored",
        "Patient balance restored",
        "Ins restored",
        "Pt restored",
        "Confirm Reversal",
    ),
}
RUN_WORDS: Final[Mapping[JobKind, RunWords]] = {
    JobKind.SETTLE: RunWords("settle", "Settled", "Written off", "Ins written off", "Pt written off"),
    JobKind.STATUS: RunWords("change", "Changed", ""),
    JobKind.REVERSE: RunWords("reverse", "Reversed", "Restored", "Ins restored", "Pt restored"),
}

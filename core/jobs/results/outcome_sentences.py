"""A sentence about a job's outcome. If the job settled no claim, the sentence says so first."""

from core.counting import counted
from core.enums.jobs import DONE_WORDS, JobKind, JobStatus
from core.jobs import codes
from core.jobs.results.progress import Progress


def did_nothing(seen: Progress) -> bool:
    """Return whether the job completed without settling, changing or reversing a claim."""
    return seen.status is JobStatus.COMPLETED and seen.settled == 0


def sentence(seen: Progress, kind: JobKind) -> str:
    """Return a sentence such as "Completed, but no claim was settled: 2 skipped, 0 failed"."""
    status, done = codes.status_words(seen.status).capitalize(), DONE_WORDS[kind]
    rest = f"{seen.skipped:,} skipped, {seen.failed:,} failed"
    if did_nothing(seen):
        return f"{status}, but no claim was {done}: {rest}"
    left = f", {seen.remaining:,} remaining" if seen.remaining else ""
    return f"{status}: {counted(seen.settled, 'claim')} {done}, {rest}{left}"

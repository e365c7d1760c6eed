"""A sentence for each reason why an import was stopped."""

from typing import Final

from core.enums.imports import ImportSource
from core.models.imports import ImportJob

FAULTS: Final = "faults"
OVER_LIMIT: Final = "over_limit"
DATABASE_DISK_FULL: Final = "database_disk_full"
WORKER_DISK_FULL: Final = "worker_disk_full"
WORKER_DIED: Final = "worker_died"
REQUESTER_MAY_NOT: Final = "requester_may_not"
UNEXPECTED_ERROR: Final = "unexpected_error"

REFUSAL_SENTENCES: Final = {
    FAULTS: "The files have errors. Correct the data in the program that exported the files, then upload them again.",
    OVER_LIMIT: (
        "The files have no errors, but the import would post adjustments above a per-claim limit. Ask an administrator "
        "to raise the limit, or ask a user with a higher limit to upload the files."
    ),
    DATABASE_DISK_FULL: (
        "The database's disk is full. Ask the person who runs your server to free space on it, then upload the "
        "files again."
    ),
    WORKER_DISK_FULL: (
        "The worker's temporary folder is full. Ask the person who runs your server to give it more space "
        "(TMPDIR), then upload the files again."
    ),
    WORKER_DIED: (
        "Every worker that read these files stopped before it finished. Ask the person who runs your server to check "
        "whether the workers have enough memory, or upload fewer months at a time."
    ),
    REQUESTER_MAY_NOT: (
        "The user who started this import was deactivated or no longer has the required role. Ask a user who "
        "has permission to import claims to upload the files again."
    ),
    UNEXPECTED_ERROR: (
        "Batch Settle could not read these files because of an internal error. Ask the person who runs your server to "
        "look for import_failed in the worker's log."
    ),
}


_X12_FAULTS: Final = (
    "The files below cannot be used, and X12 files are imported all together or not at all. Correct these files or "
    "leave them out, then upload the others again."
)


def describe_of(job: ImportJob) -> str:
    """Return the sentence for why an import was stopped, or an empty text."""
    if job.refused_because == FAULTS and (job.report or {}).get("source") == ImportSource.X12:
        return _X12_FAULTS
    return describe(job.refused_because or "")


def describe(code: str) -> str:
    """Return the sentence for a code. A code from a different version is shown unchanged."""
    return REFUSAL_SENTENCES.get(code, code.replace("_", " "))

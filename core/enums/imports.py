"""The status of an import, and the kind of its files."""

from enum import StrEnum
from typing import Final


class ImportStatus(StrEnum):
    """The status of an import. The moves between statuses are in `core.intake.uploads.lifecycle`."""

    UPLOADING = "uploading"
    STAGED = "staged"
    CHECKING = "checking"
    NEEDS_MAPPING = "needs_mapping"  # the office's own file, and no user has said which column is which
    READY = "ready"
    IMPORTING = "importing"
    IMPORTED = "imported"
    REFUSED = "refused"
    DISCARDED = "discarded"


WORKER_STATUSES: Final = (ImportStatus.STAGED, ImportStatus.CHECKING, ImportStatus.IMPORTING)  # needs a worker
ENDED_STATUSES: Final = (ImportStatus.IMPORTED, ImportStatus.REFUSED, ImportStatus.DISCARDED)


class ImportSource(StrEnum):
    """The kind of files."""

    CSV = "csv"  # the format of docs/import-format.md
    SYNTHEA = "synthea"
    FILE = "file"  # the office's own file, read through a mapping
    X12 = "x12"  # claims sent (837), remittances (835) and claim acknowledgments (277CA)

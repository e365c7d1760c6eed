"""Labels of the pages of imports."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from core.models.imports import ImportSource, ImportStatus
from webui.shared.labels import Pill

IMPORT_STATUS: Final[Mapping[ImportStatus, Pill]] = {
    ImportStatus.UPLOADING: Pill("Uploading", "dots", "run"),
    ImportStatus.STAGED: Pill("Waiting for a worker", "clock", "run"),
    ImportStatus.CHECKING: Pill("Checking", "dots", "run"),
    ImportStatus.READY: Pill("Ready to import", "eye", "warn"),
    ImportStatus.IMPORTING: Pill("Importing", "play", "run"),
    ImportStatus.IMPORTED: Pill("Imported", "check", "good"),
    ImportStatus.REFUSED: Pill("Refused", "alert", "bad"),
    ImportStatus.DISCARDED: Pill("Discarded", "cross", ""),
}
SOURCE_LABELS: Final[Mapping[str, str]] = {
    ImportSource.CSV.value: "Batch Settle CSV files",
    ImportSource.SYNTHEA.value: "Synthea CSV export",
}
_TOTALS: Final = (
    ("charges", "Charges"),
    ("insurance_payments", "Insurance payments"),
    ("patient_payments", "Patient payments"),
    ("refunds", "Refunds"),
    ("adjustments", "Adjustments"),
    ("transfers", "Transfers"),
    ("credit", "Credit balances"),
)


class TotalRow(NamedTuple):
    """A control total."""

    words: str
    number: int
    cents: int


def total_rows(totals: Mapping[str, Any]) -> list[TotalRow]:
    """Return the control totals in the order of an A/R report."""
    return [TotalRow(words, totals[name]["number"], totals[name]["cents"]) for name, words in _TOTALS if name in totals]

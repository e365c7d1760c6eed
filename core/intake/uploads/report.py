"""What an import's check found: counts, control totals, the first claims, or the faults grouped by kind."""

from pathlib import Path
from typing import Any, Final

from core.enums.imports import ImportSource
from core.intake.csv import csv_format
from core.intake.loading.corrections import Correction
from core.intake.loading.imported import Imported
from core.intake.parsing.faults import EXAMPLES_MAX, Mistake
from core.intake.parsing.folder import RowsRead
from core.intake.synthea import synthea_format
from core.intake.uploads.lists import DIFFERENCES, ListFiles
from core.intake.uploads.x12_files import is_x12

PLACES_KEPT_MAX: Final = 10_000  # of all mistakes together
# What must be equal in the check and in the import, so that what the user saw is what is imported.
_CONFIRMED: Final = (
    "source",
    "added",
    "left_out",
    "in_file",
    "new",
    "on_existing",
    "recognized",
    "held_back",
    "redated",
    "x12",
)
# What the command prints too.
_SAME: Final = (
    "added", "already_there", "left_out", "in_file", "new", "new_postings", "recognized", "corrected", "held_back",
    "redated", "changes_taken", "holds_kept", "agreement", "forecast", "warnings",
)  # fmt: skip
_CORRECTED: Final = ("added", "new", "on_existing", "held_back")
_SYNTHEA_FILES: Final = frozenset(
    {
        *(file.name for file in (synthea_format.ORGANIZATIONS, synthea_format.PROVIDERS, synthea_format.PAYERS)),
        synthea_format.PATIENTS.name,
        "claims.csv",
        "claims_transactions.csv",
    }
)
_KNOWN_FILES: Final = {
    ImportSource.CSV: frozenset(file.name for file in csv_format.FORMATS),
    ImportSource.SYNTHEA: _SYNTHEA_FILES,
}


def guess_source(folder: Path, names: list[str]) -> ImportSource:
    """Return the kind of files, by their content if any is X12, or else by their names.

    A single file with an unknown name is the office's own export.
    """
    if any(is_x12(folder / name) for name in names):
        return ImportSource.X12
    if "claims_transactions.csv" in names:
        return ImportSource.SYNTHEA
    is_alone = len(names) == 1 and not any(names[0] in known for known in _KNOWN_FILES.values())
    return ImportSource.FILE if is_alone else ImportSource.CSV


def files_read(names: list[str], source: ImportSource, imported: Imported | None = None) -> dict[str, Any]:
    """Return which files were recognized, with their rows if they were read, and which were ignored."""
    rows = imported.rows_read if imported else {}
    known = _KNOWN_FILES.get(source, frozenset(names))
    if source is ImportSource.FILE:
        rows = dict(zip(names, rows.values(), strict=False))  # only one; its name here may include a sheet
    read = [{"name": name, **(_counts(rows[name]) if name in rows else {})} for name in sorted(names) if name in known]
    return {"source": source.value, "read": read, "ignored": sorted(set(names) - known)}


def _counts(rows: RowsRead) -> dict[str, Any]:
    return {"rows": rows.read, "empty": rows.empty, "totals_agree": rows.totals_agree}


def of_imported(imported: Imported, lists: ListFiles) -> dict[str, Any]:
    """Return the report on loaded rows. It contains patients' names, for users who may see them."""
    differences, corrections, facts = imported.differences, imported.corrections, imported.facts()
    return {
        **{name: facts[name] for name in _SAME},
        "nothing_new": imported.adds_nothing,
        "on_existing": {name: getattr(imported.on_existing, name) for name in ("claims", "lines", "postings")},
        "write_offs": imported.on_existing.moved._asdict(),  # zero in a check, which posts nothing
        "first_claims": [{**one.facts(), "patient": one.patient} for one in imported.first_claims],
        "differences": {
            "count": differences.count,
            "counts": differences.counts,
            "first": [vars(one) for one in differences.first],
            "legal_holds": differences.legal_holds,
            "sha256": lists.digest(DIFFERENCES),
        },
        "corrections": {
            "changed": corrections.changed,
            "missing": corrections.missing,
            "to_post": corrections.to_post,
            "new": corrections.new,
            "new_cents": corrections.new_cents,
            "looks_older": corrections.looks_older,
            "first": [_correction(one) for one in corrections.first],
        },
        "problems": lists.errors,  # places that are left out, differ or are unusual
        **({} if imported.x12 is None else {"x12": imported.x12, "receivable": imported.receivable}),
    }


def _correction(one: Correction) -> dict[str, Any]:
    new = None if one.new is None else str(one.new)
    same = {name: getattr(one, name) for name in ("posting_id", "claim_id", "file", "line_of_file", "is_new")}
    return {**same, "old": one.old_words, "new": new, "postings": one.to_post()}


def of_faults(mistakes: list[Mistake]) -> dict[str, Any]:
    """Return the report on refused files: one group for each kind of mistake, most important first."""
    of_each = max(EXAMPLES_MAX, PLACES_KEPT_MAX // max(1, len(mistakes)))
    return {"faults": [{**one.facts(places_max=of_each), "sentence": str(one)} for one in mistakes]}


def with_first_places(report: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the report with only the first places of each mistake."""
    if not report or "faults" not in report:
        return report
    return {**report, "faults": [{**one, "places": one["places"][:EXAMPLES_MAX]} for one in report["faults"]]}


def same_result(before: dict[str, Any] | None, after: dict[str, Any]) -> bool:
    """Return whether the import would add exactly what its check showed."""
    names: tuple[str, ...] = (*_CONFIRMED, "differences") if after["changes_taken"] else _CONFIRMED
    if after["corrected"]:
        # Posted corrections, and rows that were held back without them, are not in the check's counts.
        names = (*(name for name in names if name not in _CORRECTED), "corrections")
    return before is not None and all(before.get(name) == after.get(name) for name in names)

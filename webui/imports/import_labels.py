"""Labels of the pages of imports."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from core.counting import counted
from core.enums.imports import ImportSource, ImportStatus
from core.intake.loading.redated import Redated
from core.intake.loading.totals import DERIVED_TRANSFERS, PART_LABELS, TOTAL_LABELS, TRANSFERS, without_derived
from core.intake.remittances import totals
from core.money import format_cents
from webui.shared.labels import Pill

IMPORT_STATUS: Final[Mapping[ImportStatus, Pill]] = {
    ImportStatus.UPLOADING: Pill("Uploading", "dots", "run"),
    ImportStatus.STAGED: Pill("Waiting to be checked", "clock", "run"),
    ImportStatus.CHECKING: Pill("Checking", "dots", "run"),
    ImportStatus.NEEDS_MAPPING: Pill("Needs a mapping", "eye", "warn"),
    ImportStatus.READY: Pill("Ready to import", "eye", "warn"),
    ImportStatus.IMPORTING: Pill("Importing", "play", "run"),
    ImportStatus.IMPORTED: Pill("Imported", "check", "good"),
    ImportStatus.REFUSED: Pill("Stopped", "alert", "bad"),
    ImportStatus.DISCARDED: Pill("Discarded", "cross", ""),
}
SOURCE_LABELS: Final[Mapping[str, str]] = {
    ImportSource.CSV.value: "Batch Settle CSV files",
    ImportSource.SYNTHEA.value: "Synthea CSV export",
    ImportSource.FILE.value: "your own export",
    ImportSource.X12.value: "X12 files",
}
OWN_EXPORT: Final = "own"
# The page lists the saved mappings after these.
KINDS: Final = (("", "Detect from the files"), (OWN_EXPORT, "Your own export: show its columns"))
_COUNTS: Final = (("claims", "Claims"), ("lines", "Service lines"), ("postings", "Postings"))
_BALANCES: Final = (("insurance_balance_cents", "Insurance balance"), ("patient_balance_cents", "Patient balance"))


NOTHING_NEW: Final = Pill("Nothing to import", "check", "")


class Total(NamedTuple):
    """A count and a sum. A part that is None is not shown."""

    number: int | None
    cents: int | None


class TotalRow(NamedTuple):
    """A control total of the files, and the part of it that is new."""

    words: str
    in_file: Total
    new: Total
    note: str = ""  # beside the words
    is_part: bool = False  # of the total above it


def redated_words(report: Mapping[str, Any], *, is_done: bool) -> list[str]:
    """Return a sentence for each closed month of new postings."""
    return [Redated.read(one).sentence(is_done=is_done) for one in report.get("redated", ())]


def total_rows(in_file: Mapping[str, Any], new: Mapping[str, Any], *, gives_totals: bool) -> list[TotalRow]:
    """Return the control totals in the order of an A/R report. `gives_totals`: an own export, without transfers."""
    both = (without_derived(in_file) if gives_totals else in_file, new)
    notes = {TRANSFERS: DERIVED_TRANSFERS} if gives_totals else {}
    counts = [_row(words, [Total(one[name], None) for one in both]) for name, words in _COUNTS]
    if gives_totals and new[TRANSFERS]["number"]:
        counts[-1] = counts[-1]._replace(note="The new postings include two for each derived transfer.")
    elif not gives_totals and in_file[TRANSFERS]["number"]:
        counts[-1] = counts[-1]._replace(note="A transfer is two postings.")
    sums = [
        _row(words, [Total(one[name]["number"], one[name]["cents"]) for one in both], notes.get(name, ""))
        for name, words in TOTAL_LABELS
        if name in in_file  # an earlier version checked it without totals by payer
    ]
    credit = _row(
        "Credit balances", [Total(in_file["credit"]["number"], in_file["credit"]["cents"]), Total(None, None)]
    )
    balances = [_row(words, [Total(None, one[name]) for one in both]) for name, words in _BALANCES]
    return [*counts, *(row._replace(is_part=row.words in PART_LABELS) for row in sums), credit, *balances]


def _row(words: str, totals: Sequence[Total], note: str = "") -> TotalRow:
    in_file, new = totals
    return TotalRow(words, in_file, new, note)


def what_is_new(report: Mapping[str, Any]) -> str:
    """Return what an import adds or added, such as "2 claims and 1 posting on existing claims"."""
    return _join(_parts_of_new(report))


def _parts_of_new(report: Mapping[str, Any]) -> list[str]:
    added = report.get("added")
    if not added:
        return []
    on_existing = report["on_existing"]
    parts = [counted(added["claims"], "claim")] if added["claims"] else []
    if on_existing["postings"]:
        parts.append(f"{counted(on_existing['postings'], 'posting')} on existing claims")
    others = [counted(count, kind.removesuffix("s")) for kind, count in added.items() if count]
    if not parts and others:
        parts.append(others[-1])
    x12 = report.get("x12")
    if not parts and x12:
        sent = x12["sent"]
        statuses = sum(sent["acknowledged"]["changed"].values())
        parts += [counted(statuses, "claim status", "claim statuses")] if statuses else []
        parts += [f"what was sent for {counted(sent['remembered'], 'existing claim')}"] if sent["remembered"] else []
    parts += filter(None, [totals.what_is_new(x12)])
    if report["changes_taken"]:
        parts.append(counted(report["differences"]["count"], "change"))
    return parts


def _join(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def to_post_words(corrections: Mapping[str, Any]) -> str:
    """Return what an import can post for changed postings, such as "the corrections for 2 changed postings"."""
    new = corrections.get("new", 0)  # an earlier version did not count them
    changed = corrections["to_post"] - new
    cents = corrections.get("new_cents")  # an earlier version did not sum them
    dollars = f" ({format_cents(abs(cents))})" if cents else ""
    parts = [f"the new payments, adjustments and transfers in {counted(new, 'total')}{dollars}"] if new else []
    if changed:
        parts.append(f"the corrections for {counted(changed, 'changed posting')}")
    return " and ".join(parts)


def what_matches(report: Mapping[str, Any]) -> str:
    """Return the claims whose postings the practice already has, if the import only records that. Else return ""."""
    recognized = report.get("recognized", {})
    if what_is_new(report) or not recognized.get("postings"):
        return ""
    if not recognized.get("claims"):  # an earlier version checked it
        return "matching postings"
    return f"matching postings on {counted(recognized['claims'], 'claim')}"


def status_of(status: ImportStatus, report: Mapping[str, Any] | None) -> Pill:
    """Return the import's status. `report` needs only the parts that `can_import` reads."""
    return NOTHING_NEW if status is ImportStatus.READY and not can_import(report or {}) else IMPORT_STATUS[status]


def can_import(report: Mapping[str, Any]) -> bool:
    """Return whether the files contain anything that is new, or that a user can ask for."""
    return bool(report["differences"]["count"] or report["corrections"].get("to_post") or not report["nothing_new"])


def button_words(report: Mapping[str, Any]) -> str:
    """Return what the button does, such as "Import 2 claims and the checked changes"."""
    matches = what_matches(report)
    parts = [matches] if matches else _parts_of_new(report)
    if report["differences"]["count"] or report["corrections"].get("to_post"):
        parts.append("the checked changes")
    return f"{'Confirm' if matches else 'Import'} {_join(parts)}".strip()

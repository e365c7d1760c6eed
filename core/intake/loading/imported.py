"""What an import is asked to do, and its result."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from core.intake.loading.additions import Additions
from core.intake.loading.agreement import Agreement
from core.intake.loading.corrections import Correction, Corrections
from core.intake.loading.differences import Difference, Differences
from core.intake.loading.forecast import Forecast
from core.intake.loading.new_postings import NewPosting, NewPostings
from core.intake.loading.recognize import Recognized
from core.intake.loading.redated import Redated
from core.intake.loading.summary import Summary
from core.intake.loading.totals import ControlTotals, FirstClaim
from core.intake.parsing.faults import Fault
from core.intake.parsing.folder import RowsRead


@dataclass(frozen=True)
class ImportOptions:
    """How to import. The defaults import what is new and change nothing that exists."""

    take_changes: bool = False  # apply the differences to the practice's records
    post_corrections: bool = False  # post the corrections for changed postings
    check_only: bool = False  # run every check and write no record; the caller rolls back
    import_id: int | None = None  # of an uploaded import, for its event
    expected_total_cents: int | None = None  # refuse if the A/R total of the files is different
    # Called with every difference, correction and new posting, not only the first. Values may be names.
    each_difference: Callable[[Difference], None] | None = None
    each_correction: Callable[[Correction], None] | None = None
    each_new_posting: Callable[[NewPosting], None] | None = None
    each_problem: Callable[[Fault], None] | None = None  # with every place that is left out or differs


AS_NEW: Final = ImportOptions()


@dataclass(frozen=True)
class Imported:
    """The result of an import, by kind of row. After a check, `added` is what an import would add."""

    added: dict[str, int]
    already_there: dict[str, int]
    in_file: ControlTotals
    new: ControlTotals
    first_claims: list[FirstClaim]
    on_existing: Additions  # the part of `added` that is on existing claims
    new_postings: NewPostings  # the postings of this part
    differences: Differences
    corrections: Corrections
    recognized: Recognized
    corrected: int  # the part of `added` that corrects changed postings, if the user asked for it
    held_back: int  # new postings on existing claims that were not imported: `HoldBack`
    redated: list[Redated]
    changes_taken: bool
    holds_kept: int  # legal holds that the changes would have ended: only an administrator may
    summary: Summary | None  # None after a check
    agreement: Agreement | None = None  # None after a check
    forecast: Forecast | None = None  # None after an import
    receivable: dict[str, int] | None = None  # the A/R before, and what claims move; only with remittances
    rows_read: dict[str, RowsRead] = field(default_factory=dict)  # by file
    warnings: list[str] = field(default_factory=list)  # sentences about the file, without names
    left_out: int = 0  # claims without transactions, if skipping them was requested
    updates: int = 0  # claims whose payer status or sent copy the files bring up to date
    x12: dict[str, Any] | None = None  # what X12 files contain, as JSON without names

    @property
    def nothing_new(self) -> bool:
        """Return whether every row already existed, no record was changed and no posting was recognized."""
        return self.adds_nothing and not self.changes_taken

    @property
    def adds_nothing(self) -> bool:
        """Return whether an import without the differences would change nothing."""
        return not any(self.added.values()) and not self.recognized.postings and not self.updates

    def facts(self) -> dict[str, Any]:
        """Return it as JSON, without names and dates of birth."""
        return {
            "added": self.added,
            "already_there": self.already_there,
            "left_out": self.left_out,
            "in_file": self.in_file.facts(),
            "new": self.new.facts(),
            "first_claims": [one.facts() for one in self.first_claims],
            "on_existing": self.on_existing.facts(),
            "new_postings": self.new_postings.facts(),
            "differences": {
                "counts": self.differences.counts,
                "first": [one.facts() for one in self.differences.first],
            },
            "corrections": self.corrections.facts(),
            "recognized": self.recognized._asdict(),
            "corrected": self.corrected,
            "held_back": self.held_back,
            "redated": [one.facts() for one in self.redated],
            "changes_taken": self.changes_taken,
            "holds_kept": self.holds_kept,
            "agreement": None if self.agreement is None else self.agreement.facts(),
            "forecast": None if self.forecast is None else self.forecast.facts(),
            "warnings": self.warnings,
            **({} if self.x12 is None else {"x12": self.x12}),
            **({} if self.summary is None else self.summary.facts()),
        }

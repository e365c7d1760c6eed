"""Copy the claims of 837 files into the stages, in constant memory."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy.orm import Session

from core.intake.loading import stages
from core.intake.loading.checks import Origin
from core.intake.parsing import faults
from core.intake.parsing.folder import Progress
from core.intake.sent_claims import sent_stages
from core.intake.sent_claims.claim_rows import ClaimRows, rows_of_claim
from core.x12.check import CheckedFile, Found, Summary
from core.x12.claims import SentClaim
from core.x12.envelope_records import Kind, Opened
from core.x12.parties import plain
from core.x12.problems import Fault, Problem, Reach
from core.x12.read import read

CLAIM_KINDS: Final = (Kind.PROFESSIONAL, Kind.INSTITUTIONAL)
_CLAIMS_AT_ONCE: Final = 2_000


class X12File(NamedTuple):
    """A file that was read once to its end."""

    path: Path
    checked: CheckedFile
    base: int  # the places of its segments in all files begin here

    @property
    def name(self) -> str:
        """Return its name."""
        return self.checked.file


@dataclass(frozen=True)
class SentOrigin(Origin):
    """Where the rows of several files come from. A place is a segment of one of them."""

    files: tuple[X12File, ...] = ()

    def place(self, at: int) -> tuple[str, int]:
        """Return the file and the segment of a staged row."""
        file = self._file(at)
        return file.name, at - file.base

    def leave_out(self, at: int, problem: Problem, claim: str, *, detail: str = "") -> Fault:
        """Count a staged claim as left out of its transaction. Return its fault."""
        fault = Fault(problem, *self.place(at), "CLM01", detail=detail, claim=claim)
        self.transaction(at).leave_out(fault)
        return fault

    def transaction(self, at: int) -> Summary:
        """Return the transaction of a staged row."""
        file = self._file(at)
        transactions = file.checked.transactions
        return transactions[bisect_right(transactions, at - file.base, key=lambda one: one.opened.segment) - 1]

    def _file(self, at: int) -> X12File:
        return self.files[bisect_right(self.files, at, key=lambda one: one.base) - 1]

    def fault(
        self,
        row: Any,
        column: str | None,
        value: str | None,
        cure: str,
        *,
        kind: faults.FaultKind = faults.FaultKind.REFERENCE,
        note: str | None = None,
    ) -> faults.Fault:
        """Return a fault for the staged row. X12 has segments and elements, not lines and columns."""
        file, segment = self.place(row.at)
        element = "" if column is None else f", {self.columns.get(column, column)}"
        place = f"segment {segment:,}{element}"
        return faults.Fault(file, cure, value=value, note=f"{place}; {note}" if note else place, kind=kind)


def origin_of(files: Sequence[X12File]) -> SentOrigin:
    """Return where staged rows come from."""
    elements = {
        "external_id": "CLM01", "patient": "NM109", "amount_cents": "SV1", "posted_on": "DTP03", "claim": "CLM01",
        "source_id": "CLM01", "birth_date": "DMG02",
    }  # fmt: skip
    name = files[0].name if len(files) == 1 else "the 837 files"
    return SentOrigin(name, elements, files=tuple(files))


def is_usable(summary: Summary) -> bool:
    """Return whether the transaction as a whole may be imported."""
    reaches = (problem.reach for problem in summary.found.problems)
    return all(reach < Reach.TRANSACTION for reach in reaches)


def stage_claims(
    session: Session,
    files: Sequence[X12File],
    left_out: Found,
    *,
    each: Callable[[Fault], None] | None = None,
    progress: Progress | None = None,
) -> int:
    """Copy every claim without a fault into the stages. Return how many have one. Their faults are in `left_out`.

    `each` is called with those that the reader does not find.
    """
    skipped, total, done = 0, sum(one.path.stat().st_size for one in files), 0
    for file in files:
        rows = _rows(file, each)
        while batch := list(islice(rows, _CLAIMS_AT_ONCE)):
            claims = [one for one in batch if isinstance(one, ClaimRows)]
            unusable = [one for one in batch if not isinstance(one, ClaimRows)]
            left_out.add(unusable)
            skipped += len(unusable)
            stages.copy_rows(session, sent_stages.COPY, (one.copy for one in claims))
            stages.copy_rows(session, sent_stages.SENT_LINE, (line for one in claims for line in one.lines))
            stages.copy_rows(session, sent_stages.COVERAGE, (cover for one in claims for cover in one.coverages))
        done += file.path.stat().st_size
        if progress is not None:
            progress(file.name, done, total)
    stages.analyze(session, *(one.name for one in (sent_stages.COPY, sent_stages.SENT_LINE, sent_stages.COVERAGE)))
    return skipped


def _rows(file: X12File, each: Callable[[Fault], None] | None) -> Iterator[Any]:
    """Yield the rows or the fault of each claim in the usable transactions."""
    summaries = iter(file.checked.transactions)
    with file.path.open("rb") as binary:
        for event in read(binary, file.name):
            if isinstance(event, Opened):
                summary = next(summaries)
                is_used = is_usable(summary)
            elif isinstance(event, SentClaim) and is_used:
                rows = rows_of_claim(event, summary, file.name, base=file.base)
                if isinstance(rows, Fault):
                    named = replace(rows, claim=plain(event.claim_id))
                    if rows not in event.faults:
                        summary.leave_out(named)
                        if each is not None:
                            each(named)
                    yield named
                else:
                    yield rows

"""`settle import x12`: import X12 files, all or none: the claims sent (837) before what came back about them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Unpack

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.counting import counted
from core.db.sums import sum_cents
from core.intake.loading.import_run import ImportRequest, begin_import
from core.intake.loading.imported import Imported, ImportOptions
from core.intake.parsing.faults import Faults
from core.intake.parsing.folder import Progress, RowsRead
from core.intake.parsing.x12_faults import of_x12
from core.intake.remittances.import_remittances import import_remittances
from core.intake.remittances.result import RemittanceResult
from core.intake.sent_claims.import_sent import SOURCE, SentClaims, import_sent
from core.intake.sent_claims.read_files import CLAIM_KINDS, X12File, is_usable
from core.models.claims import Claim
from core.x12 import problems
from core.x12.check import CheckedFile, Found, FoundProblem, Summary, check_file, list_faults
from core.x12.delimiters import ISA_START
from core.x12.envelope_records import Kind

_HEAD_BYTES: Final = 65_536
LISTED_MAX: Final = 100  # transactions of a file in the report
WARNINGS_MAX: Final = 20  # the page lists every transaction
_ORDER: Final = (
    "Claims (837) go in first, then acknowledgments (277CA), then remittances (835). Each answer is matched after the "
    "claims of this upload are in."
)


def is_x12(path: Path) -> bool:
    """Return whether the file contains the start of an X12 interchange where the reader looks for it."""
    with path.open("rb") as binary:
        return starts_x12(binary)


def starts_x12(binary: BinaryIO) -> bool:
    """Return the same for an open file."""
    binary.seek(0)
    return ISA_START.search(binary.read(_HEAD_BYTES).decode("latin-1")) is not None


def import_x12(session: Session, paths: Sequence[Path], **request: Unpack[ImportRequest]) -> Imported:
    """Import the X12 files, all or none. Create the practice if needed. Raise what `import_csv` raises."""
    run = begin_import(session, SOURCE, request)
    practice_id, options = run.practice_id, run.options
    used, skipped = _sort_out(sorted(paths, key=lambda path: path.name))
    files = _check(used, run.faults, run.progress)
    _list_problems(files, options)
    has_answers, has_claims = _has(files, Kind.REMITTANCE), _has(files, *CLAIM_KINDS)
    before = _receivable(session, practice_id) if has_answers else 0
    # The answers are matched with the new claims, so a check inserts those too. The caller rolls them back.
    of_claims = replace(options, check_only=options.check_only and not (has_answers and has_claims))
    imported, sent = import_sent(replace(run, options=of_claims), files)
    paid, receivable = RemittanceResult(), None
    if has_answers:
        paid = import_remittances(
            session, run.practice, [one.path for one in files], import_id=options.import_id,
            is_check=options.check_only, by=run.by, now=run.now, progress=run.progress,
        )  # fmt: skip
        moved = paid.answers_cents + paid.write_offs_cents
        after = before + imported.new.total_cents + moved
        if not options.check_only:  # a check leaves the balances of existing claims as they are
            after = _receivable(session, practice_id)
        receivable = {"before_cents": before, "claims_cents": after - before - moved}
    rows = {one.name: RowsRead(sum(each.claims for each in one.checked.transactions), 0) for one in files}
    found = _warnings(files, sent.found, sent.left_out)
    warnings = [*_skipped(skipped), *imported.warnings, *found, *sent.warnings()]
    updates = sent.remembered + sent.acknowledged.count + sent.acknowledged.kept + paid.recorded
    summary = None if options.check_only else imported.summary
    return replace(
        imported, rows_read=rows, updates=updates, warnings=warnings, summary=summary, receivable=receivable,
        x12=_facts(files, skipped, sent, paid),
    )  # fmt: skip


def _facts(
    files: Sequence[X12File], skipped: Sequence[str], sent: SentClaims, paid: RemittanceResult
) -> dict[str, Any]:
    """Return the report on the files as JSON."""
    is_mixed = _has(files, Kind.REMITTANCE) and _has(files, *CLAIM_KINDS, Kind.ACKNOWLEDGMENT)
    return {
        "files": [_facts_of_file(one.checked) for one in files], "skipped": skipped,
        "left_out": _facts_of_faults(sent.found), "notes": [_ORDER] if is_mixed else [], "sent": sent.facts(),
        "remittances": paid.facts(),
    }  # fmt: skip


def _receivable(session: Session, practice_id: int) -> int:
    """Return the A/R of the practice in cents."""
    owed = select(sum_cents(Claim.insurance_due + Claim.patient_due)).where(Claim.practice_id == practice_id)
    return session.scalars(owed).one()


def _has(files: Sequence[X12File], *kinds: Kind) -> bool:
    """Return whether a file contains a transaction of one of these kinds."""
    return any(one.kind in kinds for file in files for one in file.checked.transactions)


def _sort_out(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Return the X12 files, and the names of others to skip, such as a readme. If no file is X12, each is refused."""
    used = [path for path in paths if is_x12(path)] or list(paths)
    return used, [path.name for path in paths if path not in used]


def _check(paths: Sequence[Path], faults: Faults, progress: Progress | None) -> list[X12File]:
    """Read every file to its end. Raise `ImportRefused` for a file that cannot be used at all."""
    files, base = [], 0
    for path in paths:
        if progress is not None:
            progress(f"reading {path.name}", 0, 0)
        checked = check_file(path)
        files.append(X12File(path, checked, base))
        base += path.stat().st_size // 2 + 1  # more than its segments, each of which has two bytes or more
        _add_faults(path, checked, faults)
    faults.refuse_if_any()
    return files


def _is_imported(summary: Summary) -> bool:
    """Return whether the transaction is imported. A held remittance is recorded, and a user decides on it."""
    if summary.kind is Kind.REMITTANCE:
        return all(problem.reach < problems.Reach.REFUSED for problem in summary.found.problems)
    return is_usable(summary)


def _add_faults(path: Path, checked: CheckedFile, faults: Faults) -> None:
    """Add what keeps the whole file from being used: no part of it is readable, or no transaction can be imported."""
    if checked.refused is not None:
        faults.add(of_x12(checked.refused))
        return
    read = [one for one in checked.transactions if one.kind is not Kind.OTHER]
    if not any(map(_is_imported, read)):
        for place in _places(path, checked):
            if place.problem.reach >= problems.Reach.TRANSACTION and place.problem not in checked.found.problems:
                faults.add(of_x12(place))


def _list_problems(files: Sequence[X12File], options: ImportOptions) -> None:
    """Give every place of what is wrong to the caller, if it wants them."""
    if options.each_problem is not None:
        for one in files:
            for place in _places(one.path, one.checked):
                options.each_problem(of_x12(place))


def _places(path: Path, checked: CheckedFile) -> Iterator[problems.Fault]:
    """Yield every place of what is wrong. A summary has only the first ones, so the file is read again."""
    return list_faults(path) if any(each.problems for each in checked.all_found) else iter(())


def _skipped(names: Sequence[str]) -> list[str]:
    """Return which files were skipped, in a sentence."""
    more = f" and {len(names) - WARNINGS_MAX:,} more" if len(names) > WARNINGS_MAX else ""
    listed = f"{', '.join(names[:WARNINGS_MAX])}{more}"
    return (
        [f"Skipped, because these files are not X12: {listed}. Upload each one that has claims by itself."]
        if names
        else []
    )


def _warnings(files: Sequence[X12File], left_out: Found, claims: int) -> list[str]:
    """Return what is not imported, with its first place."""
    found = []
    for file in files:
        for summary in file.checked.transactions:
            worst = summary.found.worst_first
            if summary.kind is not Kind.OTHER and not _is_imported(summary):
                found.append(f"Not imported: 1 transaction. {worst[0].places[0]}.")
    if len(found) > WARNINGS_MAX:
        found[WARNINGS_MAX:] = [f"Not imported: {len(found) - WARNINGS_MAX:,} more transactions."]
    if claims:
        found += [
            f"Not imported: {counted(one.count, 'claim')}{_claims(one)}. {one.places[0]}."
            for one in left_out.worst_first
        ]
    return found


def _claims(found: FoundProblem) -> str:
    """Return the claim numbers of a problem, such as " (A1, A2 and 3 more)"."""
    numbers = [one.claim for one in found.places if one.claim]
    more = f" and {found.count - len(numbers):,} more" if found.count > len(numbers) else ""
    return f" ({', '.join(dict.fromkeys(numbers))}{more})" if numbers else ""


def _facts_of_file(checked: CheckedFile) -> dict[str, Any]:
    return {
        "file": checked.file,
        "transactions": [_facts_of_transaction(one) for one in checked.transactions[:LISTED_MAX]],
        "more_transactions": max(0, len(checked.transactions) - LISTED_MAX),
        "faults": _facts_of_faults(checked.found),
    }


def _facts_of_transaction(summary: Summary) -> dict[str, Any]:
    opened = summary.opened
    words = summary.kind.words
    return {
        "kind": summary.kind.value,
        "words": f"{opened.transaction_set}, {words}" if summary.kind is Kind.OTHER else words,
        "interchange": opened.interchange.control, "control": opened.control, "claims": summary.claims,
        "lines": summary.lines, "charge_cents": summary.charge_cents - summary.void_cents,
        "is_imported": summary.kind is not Kind.OTHER and _is_imported(summary),
        "left_out": summary.claims_held if summary.kind in CLAIM_KINDS and is_usable(summary) else 0,
        "day": summary.day.isoformat() if summary.day else None, "faults": _facts_of_faults(summary.found),
    }  # fmt: skip


def _facts_of_faults(found: Found) -> list[dict[str, Any]]:
    return [
        {"code": one.problem.name.lower(), "count": one.count, "reach": one.problem.reach.words,
         "claims": [place.claim for place in one.places if place.claim],
         "sentence": f"{one.places[0]}."}
        for one in found.worst_first
    ]  # fmt: skip

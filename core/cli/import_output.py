"""Print the result of an import: counts, control totals in dollars, possible duplicates and credit balances."""

import json
from typing import Any

import click

from core.cli.formats import day
from core.cli.import_totals import (
    print_balances,
    print_corrections,
    print_differences,
    print_first_claims,
    print_held_back,
    print_moved,
    print_recognized,
    print_redated,
    remittance_lines,
    totals_lines,
)
from core.cli.practices import print_created
from core.counting import counted
from core.intake.csv.postings_import import ImportedPostings
from core.intake.loading.forecast import moved_write_off_cents
from core.intake.loading.imported import Imported, ImportOptions
from core.intake.loading.summary import LookAlike, Summary
from core.intake.loading.totals import TOTAL_LABELS, ControlTotal
from core.intake.parsing.folder import RowsRead
from core.intake.remittances.totals import only_remittances, what_is_new
from core.money import format_cents


def print_import(
    imported: Imported,
    practice_name: str,
    *,
    asked: ImportOptions,
    created: bool,
    as_json: bool,
    gives_totals: bool = False,
) -> None:
    """Print the result of an import of claims, or of a check."""
    if as_json:
        facts = {**imported.facts(), "rows_read": _rows(imported.rows_read)}
        click.echo(json.dumps({"practice": practice_name, "created": created and not asked.check_only, **facts}))
        return
    if created and not asked.check_only:
        print_created(practice_name)
    _print_rows_read(imported.rows_read, "Rows" if imported.x12 is None else "Claims")
    for warning in imported.warnings:
        click.echo(f"Warning: {warning}")
    print_notes(imported.x12)
    if imported.left_out:
        click.echo(f"Skipped: {counted(imported.left_out, 'claim')} without transactions.")
    if imported.nothing_new and not asked.check_only:
        claims = _all(imported.already_there["claims"], "claim")
        there = "these remittances" if only_remittances(imported.facts()) else claims
        click.echo(f"Nothing new: {practice_name} already has {there}.")
    else:
        _print_added(imported, practice_name, asked, gives_totals=gives_totals)
    print_differences(
        imported.differences, taken=imported.changes_taken, holds_kept=imported.holds_kept,
        check_only=asked.check_only,
    )  # fmt: skip
    print_corrections(imported.corrections, posted=imported.corrected)
    facts = {**imported.facts(), "write_offs": imported.on_existing.moved._asdict()}
    print_recognized(imported.recognized, moves_write_offs=bool(moved_write_off_cents(facts)))
    print_redated(imported.redated, is_done=not asked.check_only)
    print_held_back(imported.held_back)
    if imported.summary is not None and any(imported.added.values()):
        _print_summary(imported.summary)
    print_balances(imported.agreement, imported.forecast)


def print_lines(lines: list[str]) -> None:
    """Print the lines."""
    for line in lines:
        click.echo(line)


def print_notes(x12: dict[str, Any] | None) -> None:
    """Print what X12 files change, and what became of each remittance."""
    for note in [*x12["notes"], *x12["sent"]["notes"], *x12["remittances"]["notes"]] if x12 else ():
        click.echo(note)


def _print_added(imported: Imported, practice_name: str, asked: ImportOptions, *, gives_totals: bool) -> None:
    added = ", ".join(filter(None, (_counts(imported.added), what_is_new(imported.x12))))
    if asked.check_only:
        click.echo(f"Checked, nothing imported. An import would add to {practice_name}: {added or 'no rows'}.")
    else:
        click.echo(f"{practice_name}: added {added}." if added else f"{practice_name}: no new rows.")
    if any(imported.already_there.values()):
        click.echo(f"Already imported: {_counts(imported.already_there)}.")
    existing = imported.on_existing
    if existing.claims:
        rows = _counts({"lines": existing.lines, "postings": existing.postings})
        click.echo(f"On {counted(existing.claims, 'existing claim')}: {rows}.")
    print_moved(existing.moved)
    print_lines(remittance_lines(imported.x12, imported.receivable))
    if not only_remittances(imported.facts()):
        print_lines(totals_lines(imported.in_file.facts(), imported.new.facts(), gives_totals=gives_totals))
    if asked.check_only:
        print_first_claims(imported.first_claims)


def print_postings_import(done: ImportedPostings, practice_name: str, *, as_json: bool) -> None:
    """Print the result of an import of postings."""
    moved = done.moved
    if as_json:
        facts = {"added": done.added, "already_there": done.already_there, "rows_read": _rows(done.rows_read)}
        click.echo(json.dumps({"practice": practice_name, **facts, **moved._asdict(), **done.summary.facts()}))
        return
    _print_rows_read(done.rows_read)
    if not done.added:
        click.echo(f"Nothing new: {practice_name} already has {_all(done.already_there, 'posting')}.")
        return
    there = f" Already imported: {done.already_there:,}." if done.already_there else ""
    click.echo(f"{practice_name}: added {counted(done.added, 'posting')}.{there}")
    print_moved(moved)
    _print_posted(done.summary)
    _print_summary(done.summary)


def _print_rows_read(rows_read: dict[str, RowsRead], what: str = "Rows") -> None:
    """Print how many rows each file contained, so that missing rows are noticed."""
    files = (
        f"{name} {rows.read:,}"
        + (f" ({counted(rows.empty, 'empty row')} skipped)" if rows.empty else "")
        + (" and a totals row that agrees" if rows.totals_agree else "")
        for name, rows in rows_read.items()
    )
    click.echo(f"{what} read: {', '.join(files)}.")


def _rows(rows_read: dict[str, RowsRead]) -> dict[str, dict[str, int]]:
    return {name: {"read": rows.read, "empty": rows.empty} for name, rows in rows_read.items()}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(counted(count, kind.removesuffix("s")) for kind, count in counts.items() if count)


def _print_posted(summary: Summary) -> None:
    """Print the totals of the new postings, to compare with the practice's own reports."""
    click.echo("Control totals for the new postings:")
    for name, words in TOTAL_LABELS:
        part: ControlTotal = getattr(summary, name)
        click.echo(f"  {words:<24}{part.number:>12,}{format_cents(part.cents):>20}")


def _print_summary(summary: Summary) -> None:
    """Print the balances, then what needs review."""
    click.echo("Current balances on these claims:")
    click.echo(f"  {'Insurance balance':<36}{format_cents(summary.insurance_balance_cents):>20}")
    click.echo(f"  {'Patient balance':<36}{format_cents(summary.patient_balance_cents):>20}")
    click.echo(f"  {'Credit balances':<24}{summary.credit.number:>12,}{format_cents(summary.credit.cents):>20}")
    _print_look_alikes(summary)
    _print_credits(summary)


def _all(count: int, noun: str) -> str:
    return f"the {noun}" if count == 1 else f"all {counted(count, noun)}"


def _print_look_alikes(summary: Summary) -> None:
    alike = summary.look_alike
    if not alike.number:
        return
    click.echo(
        f"{counted(alike.number, 'payment or refund', 'payments or refunds')} ({format_cents(alike.cents)}) "
        f"may be {'a duplicate' if alike.number == 1 else 'duplicates'} "
        "(posted anyway): same claim, line, payer, amount and date as another posting, but a different id:"
    )
    for one in summary.look_alikes:
        click.echo(f"  {_look_alike(one)}")
    _print_remaining_count(alike.number - len(summary.look_alikes))


def _look_alike(one: LookAlike) -> str:
    other = one.other_id or "a manual posting"
    kind = "payment" if one.amount_cents < 0 else "refund"
    amount = format_cents(abs(one.amount_cents))
    return (
        f"line {one.line_of_file}: {one.posting_id} matches {other}: claim {one.claim_id}, line {one.line}, "
        f"{kind} by {one.paid_by}, {amount}, {day(one.posted_on)}"
    )


def _print_credits(summary: Summary) -> None:
    credit = summary.credit
    if not credit.number:
        return
    click.echo(
        f"{counted(credit.number, 'credit balance')}: {format_cents(credit.cents)}. Run `settle credits` to list all."
    )
    for one in summary.credits:
        click.echo(f"  claim {one.claim_id}, line {one.line}, {one.responsibility}: {format_cents(one.cents)}")
    _print_remaining_count(credit.number - len(summary.credits))


def _print_remaining_count(count: int) -> None:
    if count:
        click.echo(f"  and {count:,} more")

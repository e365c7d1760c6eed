"""Print the control totals of an import, its first claims, and what differs from the practice's records."""

import datetime as dt
from typing import Final

import click

from core.counting import counted
from core.intake.loading.corrections import Correction, Corrections, Entry
from core.intake.loading.differences import Difference, Differences
from core.intake.loading.totals import ControlTotal, ControlTotals, FirstClaim
from core.ledger.late_payments import WriteOffChanges
from core.money import format_cents

PARTS: Final = (
    ("charges", "Charges"),
    ("insurance_payments", "Insurance payments"),
    ("patient_payments", "Patient payments"),
    ("refunds", "Refunds"),
    ("adjustments", "Adjustments"),
    ("transfers", "Transfers"),
)
_LINES_MAX: Final = 20  # of each list, so that a large import stays readable


def print_totals(in_file: ControlTotals, new: ControlTotals) -> None:
    """Print the totals of the files beside those of the new rows."""
    both = (in_file, new)
    click.echo(f"{'Control totals:':<22}{'in the files':>28}{'new':>28}")
    for name, words in (("claims", "Claims"), ("lines", "Service lines"), ("postings", "Postings")):
        _print_row(words, [ControlTotal(getattr(one, name)) for one in both], is_money=False)
    for name, words in PARTS:
        _print_row(words, [getattr(one, name) for one in both])
    for name, words in (("insurance_balance_cents", "Insurance balance"), ("patient_balance_cents", "Patient balance")):
        _print_row(words, [ControlTotal(0, getattr(one, name)) for one in both], has_number=False)
    _print_row("A/R total", [ControlTotal(0, one.total_cents) for one in both], has_number=False)
    _print_row("Credits", [in_file.credit])
    click.echo(f"  Dates of service: {_dates(in_file.first_service_date, in_file.last_service_date)}.")
    click.echo(f"  Posting dates: {_dates(in_file.first_posting_date, in_file.last_posting_date)}.")


def _print_row(words: str, totals: list[ControlTotal], *, is_money: bool = True, has_number: bool = True) -> None:
    cells = (
        f"{f'{one.number:,}' if has_number else '':>12}{format_cents(one.cents) if is_money else '':>16}"
        for one in totals
    )
    click.echo(f"  {words:<20}{''.join(cells)}".rstrip())


def _dates(first: dt.date | None, last: dt.date | None) -> str:
    return "none" if first is None or last is None else f"{first:%m/%d/%Y} to {last:%m/%d/%Y}"


def print_first_claims(claims: list[FirstClaim]) -> None:
    """Print the first claims with their balances by the files. No name is printed."""
    click.echo("First claims in the files:")
    for one in claims:
        click.echo(
            f"  claim {one.claim_id}, patient {one.patient_id}, {one.service_date:%m/%d/%Y}: charges "
            f"{format_cents(one.charge_cents)}, insurance {format_cents(one.insurance_due_cents)}, patient "
            f"{format_cents(one.patient_due_cents)}"
        )


def print_moved(moved: WriteOffChanges) -> None:
    """Print what the postings did to write-offs."""
    if moved.reversed_cents:
        late = counted(moved.late, "posting")
        click.echo(
            f"{late} arrived after a write-off: {format_cents(moved.reversed_cents)} in write-offs was reversed."
        )
    if moved.restored_cents:
        click.echo(
            f"Later entries raised balances again: {format_cents(moved.restored_cents)} in write-offs was restored."
        )


def print_differences(found: Differences, *, taken: bool, check_only: bool) -> None:
    """Print how many fields differ, and the first of them. No name or date of birth is printed."""
    if not found.count:
        return
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.counts.items())
    if taken:
        what = "An import would take over" if check_only else "Took over"
        click.echo(f"{what} {counted(found.count, 'changed value')} ({kinds}):")
    else:
        click.echo(f"{counted(found.count, 'value')} of existing records differ ({kinds}). They stay as they are.")
        click.echo("To take the values from the files, add --take-changes.")
    _print_first([_difference(one) for one in found.first], found.count)


def _difference(one: Difference) -> str:
    name = f"{one.record} {one.number}, {one.field.replace('_', ' ')}"
    return f"{name}: changed (hidden)" if one.is_private else f"{name}: {one.old or 'empty'} → {one.new or 'empty'}"


def print_corrections(found: Corrections) -> None:
    """Print the postings that the files show otherwise, with what would correct each."""
    count = found.changed + found.missing
    if not count:
        return
    if found.changed:
        is_one = found.changed == 1
        click.echo(
            f"{counted(found.changed, 'existing posting')} {'has' if is_one else 'have'} other values in the files. "
            "Postings are never overwritten."
        )
    if found.missing:
        is_one = found.missing == 1
        click.echo(
            f"{counted(found.missing, 'existing posting')} {'is' if is_one else 'are'} not in the files anymore."
        )
    click.echo("To correct the ledger, post this, or write it to a file with --corrections:")
    _print_first([_correction(one) for one in found.first], count)


def _correction(one: Correction) -> str:
    now = "not in the files" if one.new is None else _entry(one.new)
    return (
        f"claim {one.claim_id}, line {one.old.line}, posting {one.posting_id}: {_entry(one.old)} → {now}; "
        f"post {' and '.join(map(_entry, one.postings))}"
    )


def _entry(one: Entry) -> str:
    by = f" by {one.paid_by}" if one.paid_by else ""
    codes = f" {one.group_code}-{one.reason_code}" if one.group_code and one.reason_code else ""
    day = dt.date.fromisoformat(one.posted_on)
    return (
        f"{one.kind_in_file} {format_cents(one.amount_cents)}{by}{codes} ({one.responsibility}, line {one.line}, "
        f"{day:%m/%d/%Y})"
    )


def _print_first(lines: list[str], count: int) -> None:
    for line in lines[:_LINES_MAX]:
        click.echo(f"  {line}")
    if count > _LINES_MAX:
        click.echo(f"  and {count - _LINES_MAX:,} more")

"""Print the control totals of an import, its first claims, and what differs from the practice's records."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click

from core.cli.formats import day
from core.counting import counted
from core.intake.loading.agreement import Agreement, DifferentBalance
from core.intake.loading.corrections import Correction, Corrections
from core.intake.loading.differences import Difference, Differences, legal_hold_words
from core.intake.loading.forecast import Forecast
from core.intake.loading.recognize import Recognized
from core.intake.loading.redated import Redated
from core.intake.loading.totals import DERIVED_TRANSFERS, TOTAL_LABELS, FirstClaim, without_derived
from core.intake.remittances.totals import Total, posted_rows, total_rows
from core.ledger.late_payments import WriteOffChanges
from core.money import format_cents

_LINES_MAX: Final = 20  # of each list, so that a large import stays readable


def totals_lines(in_file: Mapping[str, Any], new: Mapping[str, Any], *, gives_totals: bool = False) -> list[str]:
    """Return the totals of the files next to those of the new rows. Both are `ControlTotals.facts`."""
    both = (without_derived(in_file) if gives_totals else in_file, new)
    lines = [f"{'Control totals:':<22}{'in the files':>28}{'new':>28}"]
    for name, words in (("claims", "Claims"), ("lines", "Service lines"), ("postings", "Postings")):
        lines.append(_row(words, [(one[name], None) for one in both]))
    for name, words in TOTAL_LABELS:
        lines.append(_row(words, [(one[name]["number"], one[name]["cents"]) for one in both]))
    if gives_totals:
        lines.append(f"    {DERIVED_TRANSFERS}")
    for name, words in (
        ("insurance_balance_cents", "Insurance balance"),
        ("patient_balance_cents", "Patient balance"),
        ("total_cents", "A/R total"),
    ):
        lines.append(_row(words, [(None, one[name]) for one in both]))
    lines.append(_row("Credit balances", [(in_file["credit"]["number"], in_file["credit"]["cents"])]))
    lines.append(f"  Dates of service: {_dates(in_file['first_service_date'], in_file['last_service_date'])}.")
    lines.append(f"  Posting dates: {_dates(in_file['first_posting_date'], in_file['last_posting_date'])}.")
    return lines


def _row(words: str, totals: Sequence[tuple[int | None, int | None]]) -> str:
    cells = (
        f"{'' if number is None else f'{number:,}':>12}{'' if cents is None else format_cents(cents):>16}"
        for number, cents in totals
    )
    return f"  {words:<20}{''.join(cells)}".rstrip()


def _dates(first: str | None, last: str | None) -> str:
    return "none" if first is None or last is None else f"{day(first)} to {day(last)}"


def remittance_lines(x12: Mapping[str, Any] | None, receivable: Mapping[str, int] | None) -> list[str]:
    """Return the deposits and postings of remittances, if there are any."""
    deposits, posted = total_rows(x12), posted_rows(x12, receivable)
    return ["Remittances:", *map(_total, deposits), "Postings:", *map(_total, posted)] if deposits else []


def _total(row: Total) -> str:
    count = "" if row.number is None else f"{row.number:,}"
    amount = "" if row.cents is None else format_cents(row.cents)
    return f"  {row.words:<42}{count:>8}{amount:>16}".rstrip()


def print_first_claims(claims: list[FirstClaim]) -> None:
    """Print the first claims and their balances according to the files. No name is printed."""
    if claims:
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
        click.echo(f"{late} came in after a write-off and reversed {format_cents(moved.reversed_cents)} in write-offs.")
    if moved.restored_cents:
        click.echo(f"Postings that raised a balance restored {format_cents(moved.restored_cents)} in write-offs.")


def print_recognized(found: Recognized, *, moves_write_offs: bool) -> None:
    """Print what in the files is already in Batch Settle in a different form, or will be after the import."""
    if found.postings:
        on_claims = f" on {counted(found.claims, 'claim')}" if found.claims else ""  # 0: an earlier version checked it
        has = "already has, or posts with this import" if moves_write_offs else "already has"
        click.echo(
            f"The files contain {format_cents(abs(found.cents))} in {found.words}{on_claims} that Batch Settle {has}. "
            "These are not posted again."
        )


def print_redated(redated: Iterable[Redated], *, is_done: bool) -> None:
    """Print which new postings the import dates later, because their month is closed."""
    for one in redated:
        click.echo(one.sentence(is_done=is_done))


def print_held_back(count: int) -> None:
    """Print how many new postings the import leaves out."""
    if count:
        click.echo(
            f"Not imported: {counted(count, 'new posting')} on existing claims, so that no money is "
            "posted twice. Post the corrections first, or add a column with the line number."
        )


def print_balances(agreement: Agreement | None, forecast: Forecast | None) -> None:
    """Print the claims that differ from the files, or what an import will do to the A/R. A check may give both."""
    if agreement is not None and agreement.different:
        _print_agreement(agreement)
    elif forecast is not None:
        _print_forecast(forecast)


def _print_forecast(found: Forecast) -> None:
    """Print the A/R of the claims in the files after the import, to compare it with the files."""
    posted = f", with the corrections {format_cents(found.after_cents)}" if found.to_post_cents else ""
    without = format_cents(found.before_cents + found.new_cents + found.reversed_cents)
    click.echo(
        f"A/R of these claims: {format_cents(found.before_cents)} now, {without} after the import{posted}; "
        f"{format_cents(found.file_cents)} in the files."
    )
    late = found.reversed_cents + found.to_post_reversed_cents
    if late:
        what = "reversed" if late > 0 else "restored"
        click.echo(f"  This includes {format_cents(abs(late))} in {what} write-offs.")
    if found.different:
        corrected = " with the corrections" if found.to_post_cents else ""
        click.echo(f"{counted(found.different, 'claim')} will differ from the files{corrected}:")
        _print_different(found.first, found.different, where="after the import")


def _print_agreement(found: Agreement) -> None:
    """Print the A/R of the claims in the files, and the first that differ."""
    click.echo(
        f"A/R of these claims in Batch Settle: {format_cents(found.cents)}; in the files: "
        f"{format_cents(found.file_cents)}. {counted(found.different, 'claim')} "
        f"{'differs' if found.different == 1 else 'differ'}:"
    )
    _print_different(found.first, found.different, where="in Batch Settle")


def _print_different(first: list[DifferentBalance], different: int, *, where: str) -> None:
    for one in first:
        in_file, here = format_cents(one.file_cents), format_cents(one.cents)
        click.echo(f"  claim {one.claim_id}: {in_file} in the files, {here} {where}")
        for reason in one.reasons:
            click.echo(f"    {reason.words}")
    if different > len(first):
        click.echo(f"  and {different - len(first):,} more")


def print_differences(found: Differences, *, taken: bool, holds_kept: int, check_only: bool) -> None:
    """Print how many fields differ, and the first of them. No name or date of birth is printed."""
    if not found.count:
        return
    kinds = counts_by_kind(found.counts)
    if taken:
        what = "An import would apply" if check_only else "Applied"
        kinds = counts_by_kind(found.counts_without(holds_kept))
        click.echo(f"{what} {counted(found.count - holds_kept, 'change')} to existing records ({kinds}):")
    else:
        was, them = ("was", "it") if found.count == 1 else ("were", "them")
        click.echo(f"{counted(found.count, 'change')} to existing records {was} not applied ({kinds}).")
        click.echo(f"To apply {them}, add --take-changes:")
    _print_first([difference_line(one) for one in found.first], found.count)
    if holds_kept:
        click.echo(legal_hold_words(holds_kept, is_done=taken and not check_only))


def counts_by_kind(counts: Mapping[str, int]) -> str:
    """Return how many differences there are in each field."""
    return ", ".join(f"{kind} {count:,}" for kind, count in counts.items())


def difference_line(one: Difference) -> str:
    """Return a difference as text. A name or a date of birth is hidden."""
    name = f"{one.record} {one.number}, {one.field.replace('_', ' ')}"
    return f"{name}: changed (hidden)" if one.is_private else f"{name}: {one.old or 'empty'} → {one.new or 'empty'}"


def print_corrections(found: Corrections, *, posted: int) -> None:
    """Print the postings that differ from the files, and what would correct each."""
    count = found.changed + found.missing
    if not count:
        return
    if found.changed:
        is_one = found.changed == 1
        click.echo(
            f"{counted(found.changed, 'existing posting')} {'has' if is_one else 'have'} different values in the "
            "files. Postings are never overwritten."
        )
    if found.missing:
        is_one = found.missing == 1
        click.echo(f"{counted(found.missing, 'existing posting')} {'is' if is_one else 'are'} no longer in the files.")
    if posted:
        click.echo(f"{counted(posted, 'correction')} posted:")
    else:
        click.echo(
            "To correct the ledger, add --post-corrections, or write the corrections to a file with --corrections:"
        )
    _print_first([_correction(one) for one in found.first], count)


def _correction(one: Correction) -> str:
    now = one.new or "not in the files"
    to_do = (
        "already corrected once; compare the balance with your practice-management system, and post any remaining "
        "difference yourself"
    )
    if one.postings:
        to_do = f"post {' and '.join(one.to_post())}"
    return f"claim {one.claim_id}, line {one.old.line}, posting {one.posting_id}: {one.old_words} → {now}; {to_do}"


def _print_first(lines: list[str], count: int) -> None:
    for line in first_lines(lines, count):
        click.echo(line)


def first_lines(lines: list[str], count: int) -> list[str]:
    """Return the first of these lines, and how many of `count` are left out."""
    more = [f"  and {count - _LINES_MAX:,} more"] if count > _LINES_MAX else []
    return [*(f"  {line}" for line in lines[:_LINES_MAX]), *more]

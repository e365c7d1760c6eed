"""`settle x12 check`: what is in an X12 file, and whether it balances. It needs no server and stores nothing."""

import json
from pathlib import Path
from typing import Any, Final

import click

from core.cli import options
from core.counting import counted
from core.money import format_cents
from core.x12.check import CheckedFile, Found, Summary, check_file
from core.x12.envelope_records import Kind
from core.x12.problems import Fault, Reach

_SUBMISSIONS: Final = {"1": "original", "7": "replacement", "8": "void"}
_CENTS: Final = ("charge", "line_charge", "adjusted", "paid", "patient", "provider")


@click.group("x12")
def x12() -> None:
    """Check X12 files: remittances (835), claims (837P, 837I) and claim acknowledgments (277CA)."""


@x12.command()
@click.argument(
    "files", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@options.json_option
@click.pass_context
def check(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Show what is in each FILE, its totals, and whether it balances.

    Nothing is stored, and no patient's name is shown. The exit code is 0 only if no file and no transaction is refused.
    """
    checked = []
    for path in files:
        one = check_file(path)
        checked.append(one)
        if not as_json:
            click.echo("\n".join(map(_printable, _lines_of_file(one))))
    if as_json:
        click.echo(json.dumps({"files": [_facts_of_file(one) for one in checked]}))
    ctx.exit(0 if all(one.is_usable for one in checked) else 1)


def _printable(line: str) -> str:
    """Return the line without control characters, which ids in a damaged or hostile file may contain."""
    return "".join(character if character.isprintable() else "?" for character in line)


def _lines_of_file(checked: CheckedFile) -> list[str]:
    if checked.refused is not None:
        return [f"File refused: {checked.refused}."]
    lines = [f"{checked.file}: {counted(len(checked.transactions), 'transaction')}"]
    for summary in checked.transactions:
        lines += _lines_of_transaction(summary)
    return lines + _lines_of_faults(checked.found, indent="  ")


def _lines_of_transaction(summary: Summary) -> list[str]:
    opened, interchange = summary.opened, summary.opened.interchange
    words = summary.kind.words
    name = f"{opened.transaction_set}, {words}" if summary.kind is Kind.OTHER else words
    day = f", {summary.day:%m/%d/%Y}" if summary.day else ""
    sender, receiver = interchange.sender or "no id", interchange.receiver or "no id"
    sent = f"From {sender} (id type {interchange.sender_kind}) to {receiver} (id type {interchange.receiver_kind})"
    return [
        f"  {name} {opened.control}{day}: {_verdict(summary)}",
        f"    {sent}, version {opened.version}, {counted(summary.segments, 'segment')}",
        *(f"    {line}" for line in _totals(summary)),
        *_lines_of_faults(summary.found, indent="    "),
    ]


def _verdict(summary: Summary) -> str:
    if summary.is_refused:
        return Reach.REFUSED.words
    if summary.found.reach is Reach.TRANSACTION:
        return Reach.TRANSACTION.words
    if summary.claims_held:
        return f"{counted(summary.claims_held, 'claim')} held"
    return "with warnings" if summary.found.reach is not None else "no errors"


def _totals(summary: Summary) -> list[str]:
    if summary.kind is Kind.REMITTANCE:
        return _totals_of_remittance(summary)
    claims = counted(summary.claims, "claim")
    if summary.kind is Kind.ACKNOWLEDGMENT:
        return [f"{claims}: {summary.claims - summary.rejected:,} accepted, {summary.rejected:,} rejected"]
    if summary.kind is Kind.OTHER:
        return []
    kinds = ", ".join(
        f"{count:,} {_SUBMISSIONS.get(frequency, 'with frequency code ' + (frequency or 'missing'))}"
        for frequency, count in sorted(summary.frequencies.items())
    )
    return [
        f"{claims} ({kinds}), {counted(summary.lines, 'line')}" if kinds else claims,
        (
            f"Charges {format_cents(summary.charge_cents)}; lines {format_cents(summary.line_charge_cents)}; "
            f"paid by patients {format_cents(summary.patient_cents)}"
        ),
    ]


def _totals_of_remittance(summary: Summary) -> list[str]:
    payment = summary.payment
    lines = [
        f"{counted(summary.claims, 'claim')}, {counted(summary.lines, 'line')}",
        (
            f"Charges {format_cents(summary.charge_cents)}; adjustments {format_cents(summary.adjusted_cents)}; "
            f"paid on claims {format_cents(summary.paid_cents)}; patient responsibility "
            f"{format_cents(summary.patient_cents)}"
        ),
    ]
    if payment is None:
        return lines
    balances = {True: "balances", False: "does not balance", None: "cannot be checked"}[summary.balances]
    return [
        (
            f"Trace number {payment.trace or 'missing'}, payment {format_cents(payment.paid_cents)} by "
            f"{payment.method or 'unknown method'}"
        ),
        *lines,
        f"Provider adjustments {format_cents(summary.provider_cents)}. The payment {balances}.",
    ]


def _lines_of_faults(found: Found, *, indent: str) -> list[str]:
    lines = []
    for one in found.worst_first:
        others = ", ".join(f"{fault.segment:,}" for fault in one.places[1:] if fault.segment is not None)
        more = f" Also at segment {others}" if others else ""
        more += f" and {one.count - len(one.places):,} more places" if one.count > len(one.places) else ""
        lines.append(f"{indent}{one.problem.reach.words.capitalize()}: {one.places[0]}.{more}{'.' if more else ''}")
    if found.left_out:
        lines.append(f"{indent}{found.left_out:,} more errors are not listed.")
    return lines


def _facts_of_file(checked: CheckedFile) -> dict[str, Any]:
    return {
        "file": checked.file,
        "refused": _facts_of_fault(checked.refused) if checked.refused else None,
        "transactions": [] if checked.refused else [_facts_of_transaction(one) for one in checked.transactions],
        "faults": _facts_of_faults(checked.found),
    }


def _facts_of_transaction(summary: Summary) -> dict[str, Any]:
    opened, interchange, payment = summary.opened, summary.opened.interchange, summary.payment
    return {
        "kind": summary.kind.value, "transaction_set": opened.transaction_set, "version": opened.version,
        "control_number": opened.control, "interchange_control_number": interchange.control,
        "sender": {"kind": interchange.sender_kind, "id": interchange.sender},
        "receiver": {"kind": interchange.receiver_kind, "id": interchange.receiver},
        "is_test": interchange.is_test, "date": summary.day.isoformat() if summary.day else None,
        "segments": summary.segments, "trace_number": payment.trace if payment else None,
        "payment_cents": payment.paid_cents if payment else None, "balances": summary.balances,
        "claims": summary.claims, "claims_held": summary.claims_held, "lines": summary.lines,
        "rejected": summary.rejected, "frequencies": dict(summary.frequencies),
        **{f"{name}_cents": getattr(summary, f"{name}_cents") for name in _CENTS},
        "refused": summary.is_refused, "digest": summary.digest, "faults": _facts_of_faults(summary.found),
        "faults_left_out": summary.found.left_out,
    }  # fmt: skip


def _facts_of_faults(found: Found) -> list[dict[str, Any]]:
    return [
        {"code": one.problem.name.lower(), "reach": one.problem.reach.name.lower(), "wrong": one.problem.wrong,
         "cure": one.problem.cure, "count": one.count, "places": [_facts_of_fault(fault) for fault in one.places]}
        for one in found.worst_first
    ]  # fmt: skip


def _facts_of_fault(fault: Fault) -> dict[str, Any]:
    return {
        "code": fault.problem.name.lower(), "segment": fault.segment, "byte": fault.byte, "element": fault.element,
        "detail": fault.detail,
    }  # fmt: skip


COMMANDS = [x12]

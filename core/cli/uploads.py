"""`settle import upload`, `show`, `confirm` and `discard`: imports of a signed-in user, through the API."""

import secrets
import time
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from core.cli import options
from core.cli.client import Api
from core.cli.formats import day
from core.cli.user_command import user_command
from core.counting import counted
from core.intake.synthea.synthea_import import Payments
from core.money import BadAmount, format_cents, parse_amount

POLL_SECONDS: Final = 0.5
_WORKING: Final = ("staged", "checking", "importing")
_TOTALS: Final = (
    ("charges", "Charges"),
    ("insurance_payments", "Insurance payments"),
    ("patient_payments", "Patient payments"),
    ("refunds", "Refunds"),
    ("adjustments", "Adjustments"),
    ("transfers", "Transfers"),
    ("credit", "Credit balances"),
)
_KINDS: Final = ("claims", "lines", "postings", "patients", "payers", "providers", "offices")
_import_argument = click.argument("import_id", metavar="IMPORT", type=options.IMPORT)


class Dollars(click.ParamType[int]):
    """An amount in dollars, as cents."""

    name = "dollars"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return cents, or fail with the cure."""
        try:
            return parse_amount(str(value))
        except BadAmount as fault:
            self.fail(fault.message, param, ctx)


def describe_import(answer: dict[str, Any]) -> str:
    """Return the import as text: its status, then what its check found."""
    report = answer["report"] or {}
    lines = [f"Import {answer['id']} is {answer['status_words']}."]
    if answer["refused_words"]:
        lines.append(f"Nothing was imported. {answer['refused_words']}")
    lines += [f"  {group['sentence']}" for group in report.get("faults", ())]
    if report.get("same_files_as"):
        lines.append(f"The same files were imported before, as import {report['same_files_as']}.")
    if report.get("changed_since_check") and answer["status"] == "ready":
        lines.append("The practice changed after the check, so nothing was imported. Compare the new totals.")
    if report.get("nothing_new"):
        lines.append("Nothing new: the practice already has every row of these files.")
    elif "totals" in report:
        lines += _totals(answer, report)
    if answer["status"] == "ready" and not report.get("nothing_new"):
        lines.append(f"To import them, run: settle import confirm {answer['id']}")
    return "\n".join(lines)


def _totals(answer: dict[str, Any], report: dict[str, Any]) -> list[str]:
    totals = report["totals"]
    counts = [(kind, report["added"][kind]) for kind in _KINDS]
    added = ", ".join(counted(count, kind.removesuffix("s")) for kind, count in counts if count)
    lines = [f"New: {added}."]
    if report["dates"]:
        lines.append(f"Dates of service: {day(report['dates'][0])} to {day(report['dates'][1])}.")
    lines += [
        f"  {words:<24}{totals[name]['number']:>12,}{format_cents(totals[name]['cents']):>20}"
        for name, words in _TOTALS
    ]
    insurance, patient = totals["insurance_balance_cents"], totals["patient_balance_cents"]
    balances = [("Insurance balance", insurance), ("Patient balance", patient), ("A/R total", insurance + patient)]
    if answer["difference_cents"] is not None:
        balances.append(("Expected A/R total", answer["expected_total_cents"]))
        balances.append(("Difference", answer["difference_cents"]))
    return lines + [f"  {words:<36}{format_cents(cents):>20}" for words, cents in balances]


@user_command(describe_import, succeeds=lambda answer: answer["status"] == "ready")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--expect-total", type=Dollars(), metavar="DOLLARS", help="The A/R total to compare the balances with.")
@click.option(
    "--synthea-payments", "payments", type=click.Choice(list(Payments)), help="Which payments of Synthea to import."
)
@click.option("--skip-empty-claims", is_flag=True, help="Skip Synthea's claims without transactions.")
def upload(
    api: Api, files: tuple[Path, ...], expect_total: int | None, payments: str | None, skip_empty_claims: bool
) -> Any:
    """Upload files and show what they would bring in.

    FILE is a CSV file, a zip of them, or a folder whose CSV files are uploaded. Nothing is imported until `settle
    import confirm`.
    """
    paths = [path for given in files for path in (sorted(given.glob("*.csv")) if given.is_dir() else [given])]
    body: dict[str, Any] = {
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in paths],
        "options": {"payments": payments or Payments.ALL.value, "skip_empty_claims": skip_empty_claims},
        "expected_total_cents": expect_total,
    }
    made = api.post("/imports", body, key=secrets.token_urlsafe(16))
    for index, path in enumerate(paths):
        click.echo(f"Uploading {path.name} …", err=True)
        with path.open("rb") as file:
            for piece, content in enumerate(iter(partial(file.read, made["piece_bytes"]), b"")):
                api.put_bytes(f"/imports/{made['id']}/files/{index}/pieces/{piece}", content)
    return _wait(api, api.post(f"/imports/{made['id']}/check"))


@user_command(describe_import)
@_import_argument
def show(api: Api, import_id: int) -> Any:
    """Show an import with the totals of its check."""
    return api.get(f"/imports/{import_id}")


@user_command(describe_import, succeeds=lambda answer: answer["status"] == "imported")
@_import_argument
@click.option("--accept-difference", is_flag=True, help="Import although the balances differ from the expected total.")
def confirm(api: Api, import_id: int, accept_difference: bool) -> Any:
    """Import the checked files, all or nothing."""
    answer = api.post(f"/imports/{import_id}/confirm", {"accept_difference": accept_difference})
    return _wait(api, answer)


@user_command(describe_import)
@_import_argument
def discard(api: Api, import_id: int) -> Any:
    """Discard an import and delete its files."""
    return api.post(f"/imports/{import_id}/discard")


def _wait(api: Api, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the import once no worker has work with it."""
    while answer["status"] in _WORKING:
        time.sleep(POLL_SECONDS)
        answer = api.get(f"/imports/{answer['id']}")
    return answer


UPLOAD_COMMANDS: Final = (upload, show, confirm, discard)

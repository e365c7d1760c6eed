"""Preview a job: a settlement, a status change or a reversal. No claim is changed."""

import secrets
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from core.cli import claim_filter, options
from core.cli.client import Api
from core.cli.job_output import format_preview
from core.cli.user_command import user_command
from core.policy.overridable import OVERRIDABLE_CODES

POLL_SECONDS: Final = 0.5
_posting_date_option = click.option(
    "--posting-date",
    type=options.DAY,
    metavar="YYYY-MM-DD",
    help="A day in an open month, up to today.  [default: today]",
)


@user_command(format_preview)
@claim_filter.filter_option
@click.option("--claim", "claims", multiple=True, metavar="ID", help="Select a claim. Repeat for more claims.")
@click.option("--claims-from", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True),
              help="A CSV, XLSX or text file of claim numbers, or - for standard input. Numbers that are not found are "
              "listed and select nothing.")  # fmt: skip
@click.option("--all", "every", is_flag=True, help="Select all of the practice's claims.")
@click.option("--to", "target_status", default="Settled", show_default=True, metavar="STATUS",
              help="The new billing status.")  # fmt: skip
@click.option(
    "--reason",
    metavar="CODE",
    help="Code of the write-off reason (see `settle reason list`). Required for Settled.",
)
@click.option("--note", default="", help="Note, saved with every write-off in the ledger.")
@click.option("--name", default="", help="A name for the job. Do not enter a patient's name.")
@click.option(
    "--include",
    multiple=True,
    type=options.choice(OVERRIDABLE_CODES),
    help="Override a skip rule, if your role allows it. Repeat for more rules.",
)
@_posting_date_option
def preview(
    api: Api, filters: tuple[str, ...], claims: tuple[str, ...], claims_from: str | None, every: bool, **given: Any
) -> Any:
    """Preview what a job will do to each claim.

    Nothing changes until you confirm the job with `settle confirm`.
    """
    if [every, bool(filters), bool(claims), bool(claims_from)].count(True) != 1:
        raise click.UsageError(
            "Select claims with --filter KEY=VALUE or --claim ID (each may be repeated), with --claims-from FILE, or "
            "with --all."
        )
    selection: dict[str, Any] = {"all": True}
    if claims:
        selection = {"claim_ids": list(dict.fromkeys(claims))}
    elif claims_from:
        selection = {"claim_numbers": _read_numbers(claims_from)}
    elif filters:
        selection = {"filter": claim_filter.parse_filters(filters)}
    return _wait_until_prepared(api, "/settle-jobs", {"selection": selection, **given})


def _read_numbers(source: str) -> tuple[str, ...]:
    """Return the claim numbers in a file, or in standard input if `source` is -. Spaces split nothing."""
    from core.intake.claim_list.read_file import read_file  # only this option needs them
    from core.intake.claim_list.read_text import SPACE, BadClaimList, read_text

    if source != "-":
        return read_file(Path(source), name=Path(source).name, kept={SPACE}).numbers
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadClaimList("Standard input is not UTF-8 text.") from None
    return read_text(text, kept={SPACE}).numbers


@user_command(format_preview)
@options.job_argument
@click.option("--claim", "claims", multiple=True, metavar="ID", help="Only this claim. Repeat for more claims.")
@click.option("--note", required=True, help="Reason, saved with the reversal.")
@_posting_date_option
def reverse(api: Api, job: int, claims: tuple[str, ...], **given: Any) -> Any:
    """Preview the reversal of a job.

    Nothing changes until you confirm the reversal with `settle confirm`. Payments that arrived after the write-off
    stay: only the rest of the write-off is reversed. Claims with other later changes are skipped until those changes
    are undone.
    """
    return _wait_until_prepared(api, f"/settle-jobs/{job}/reverse", {"claim_ids": list(claims) or None, **given})


def _wait_until_prepared(api: Api, path: str, body: dict[str, Any]) -> Any:
    """Return the previewed job. A worker prepares a preview that is too large for a request."""
    job = api.post(path, body, key=secrets.token_urlsafe(16))
    if job["status"] == "preparing":
        click.echo(f"A worker is preparing job {job['id']} …", err=True)
    while job["status"] == "preparing":
        time.sleep(POLL_SECONDS)
        job = {**job, **api.poll(f"/settle-jobs/{job['id']}")}  # only the first answer has `not_found`
    return job


@user_command(format_preview)
@options.job_argument
def show(api: Api, job: int) -> Any:
    """Show a job's frozen preview.

    It includes counts, dollars, skip rules, limits and requesters.
    """
    return api.get(f"/settle-jobs/{job}")


COMMANDS = [preview, reverse, show]

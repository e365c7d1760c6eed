"""The audit: who did what, on the screen or as a file for an auditor."""

from pathlib import Path
from typing import Any

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command


def _describe(answer: dict[str, Any]) -> str:
    head, given = answer["head"], click.get_current_context().params
    path = " and ".join(str(given[one]) for one in ("path", "package") if given[one])
    last = f"The last entry in the audit log is {head['number']:,}, checksum {head['digest']}."
    if path:
        return f"Wrote {path}. {last}"
    return "\n".join([*map(_line, answer["acts"]), last if head["number"] else "No entries yet."])


def _line(act: dict[str, Any]) -> str:
    details = "; ".join(f"{one['label']}: {one['value']}" for one in act["details"])
    return f"{act['number']}  {formats.moment(act['at'])}  {act['who']}: {act['sentence']}" + (
        f" ({details})" if details else ""
    )


@user_command(_describe, name="audit")
@click.option("--person", metavar="EMAIL", help="Only what this user did.")
@click.option("--claim", help="Only what concerns this claim, with its jobs, exclusions, imports and remittances.")
@click.option("--job", type=options.JOB, help="Only what concerns this job and its reversals.")
@click.option("--trace", help="Only what concerns the remittances with this check or trace number.")
@click.option("--from", type=options.DAY, metavar="YYYY-MM-DD", help="First day, in the practice's time zone.")
@click.option("--to", type=options.DAY, metavar="YYYY-MM-DD", help="Last day, in the practice's time zone.")
@click.option(
    "--csv", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write every match to this CSV file."
)
@click.option(
    "--package",
    "package",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the audit package to this zip file: the ledger, jobs, months and audit log, for an auditor.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Show at most this many entries. --csv ignores it.",
)
def show_audit(api: Api, path: Path | None, package: Path | None, limit: int, **wanted: Any) -> Any:
    """Show who did what, newest first.

    With --csv, write a file with the number and checksum of each entry. With --package, write the audit package. The
    audit log records both.
    """
    if package is not None:
        api.download("/audit-package.zip", package)
        limit = 1
    if path is not None:
        api.download("/audit.csv", path, **wanted)
        limit = 1
    return api.get_all("/audit", "acts", most=limit, **wanted)


COMMANDS = [show_audit]

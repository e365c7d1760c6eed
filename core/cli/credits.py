"""`settle credits`: service lines with a credit balance."""

from pathlib import Path
from typing import Any

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.enums.ledger import Responsibility
from core.enums.practices import PayerClass
from core.money import format_cents


def _describe(answer: dict[str, Any] | Path | None) -> str:
    if answer is None:
        return ""
    if isinstance(answer, Path):
        return f"Wrote {answer}."
    totals = answer["totals"]
    total = format_cents(totals["insurance_cents"] + totals["patient_cents"])
    return "\n".join([*map(_line, answer["credits"]), f"{counted(totals['lines'], 'credit')}, total {total}."])


def _line(row: dict[str, Any]) -> str:
    until = ""
    if row["return_by"]:
        until = f", refund due to {row['return_to']} by {formats.day(row['return_by'])} if identified today"
    return (
        f"{row['claim_id']}  line {row['line']}  {row['responsibility']:<9}  {format_cents(row['credit_cents']):>12}"
        f"  since {formats.day(row['since'])} ({counted(row['days'], 'day')}){until}"
    )


@user_command(_describe, name="credits")
@click.option("--responsibility", type=options.choice(Responsibility))
@click.option("--payer-class", type=options.choice(PayerClass), help="Payer class of Ins 1 or Ins 2.")
@click.option("--at-least-cents", metavar="CENTS", help="Minimum credit, in cents.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the list as CSV.")
@click.option(
    "--output", "path", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the list to a file. The path must end in .csv or .xlsx.",
)  # fmt: skip
def credits_(api: Api, as_csv: bool, path: Path | None, **wanted: Any) -> Any:
    """List service lines with a credit balance.

    The oldest date of service comes first.
    """
    if not as_csv and path is None:
        return api.get_all("/credits", "credits", **wanted)
    if as_csv + (path is not None) + click.get_current_context().params["as_json"] > 1:
        raise click.UsageError("Use only one of --csv, --output and --json.")
    api.download(f"/credits.{options.required_format(path) if path else 'csv'}", path, **wanted)
    return path


COMMANDS = [credits_]

"""`settle report`: reports for owners and auditors."""

from pathlib import Path
from typing import Any, Final

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.enums.write_off_report import DIMENSION_NAMES, Column, Dimension
from core.money import format_cents, format_rate

_GROUP_WIDTH: Final = 24
_WIDTH: Final = 15
_CENTS: Final = {
    "written off": "written_off_cents", "reversed": "reversed_cents", "recovered": "recovered_cents",
    "adjusted later": "adjusted_later_cents", "net": "net_cents",
}  # fmt: skip
_OF_CHARGES: Final = ("charges", "% of charges")


@click.group("report")
def report() -> None:
    """Print reports, or save them to files."""


def _describe(answer: dict[str, Any] | Path) -> str:
    if isinstance(answer, Path):
        return f"Wrote {answer}."
    rows = answer["rows"]
    if not rows:
        return "No write-offs are dated in these months."
    by = list(rows[0]["group"])
    with_charges = rows[0]["charges_cents"] is not None  # a group by reason or user has none
    headings = [*_CENTS, *(_OF_CHARGES if with_charges else ())]
    lines = [_columns([DIMENSION_NAMES[Dimension(one)] for one in by], headings)]
    lines += [_columns([row["group"][one]["name"] for one in by], _amounts(row, with_charges)) for row in rows]
    return "\n".join([*lines, _columns(["Total", *("" for _ in by[1:])], _amounts(answer["total"], with_charges))])


def _amounts(row: dict[str, Any], with_charges: bool) -> list[str]:
    shown = [format_cents(row[name]) for name in _CENTS.values()]
    charges = row["charges_cents"]
    return [*shown, format_cents(charges), format_rate(row["net_cents"], charges)] if with_charges else shown


def _columns(groups: list[str], others: list[str]) -> str:
    names = "".join(f"{one[: _GROUP_WIDTH - 1]:<{_GROUP_WIDTH}}" for one in groups)
    return names + "".join(f"{one:>{_WIDTH}}" for one in others)


def _describe_claims(answer: dict[str, Any]) -> str:
    lines = [
        f"{one['claim_id']:<{_GROUP_WIDTH}}{format_cents(one['cents']):>{_WIDTH}}  {formats.day(one['service_date'])}  "
        f"{one['payer']}, {one['provider']}"
        for one in answer["claims"]
    ]
    return "\n".join([*lines, f"{counted(answer['count'], 'claim')}, {format_cents(answer['cents'])}"])


_first = click.option("--first", metavar="YYYY-MM", help="First month.  [default: eleven months before the last]")
_last = click.option("--last", metavar="YYYY-MM", help="Last month.  [default: the current month]")


@user_command(_describe, group=report)
@_first
@_last
@click.option(
    "--by", multiple=True, type=options.choice(Dimension),
    help="Group by this. Repeat the option to group by several.  [default: month and reason]",
)  # fmt: skip
@click.option(
    "--output", "path", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to a file. The path must end in .csv or .xlsx.",
)  # fmt: skip
def write_offs(api: Api, path: Path | None, by: tuple[str, ...], **months: str | None) -> Any:
    """Show what was written off, why and by whom.

    Reversals and payments after a write-off stand in columns of their own.
    """
    asked = {**months, "by": list(by)}
    if path is None:
        return api.get("/reports/write-offs", **asked)
    api.download(f"/reports/write-offs.{options.required_format(path)}", path, **asked)
    return path


@user_command(_describe_claims, group=report)
@click.argument("column", type=options.choice(Column), default=Column.NET.value)
@_first
@_last
@click.option("--reason", metavar="NAME", help="Name of the write-off reason.")
@click.option("--payer-class", metavar="CLASS", help="Class of the primary payer.")
@click.option("--payer", metavar="ID", help='ID of the primary payer. Use "" for self-pay.')
@click.option("--provider", metavar="ID", help="ID of the billing provider.")
@click.option("--person", metavar="CODE", help='Code of the user or schedule, from "settle report write-offs --json".')
def write_off_claims(api: Api, **amount: Any) -> Any:
    """List the claims behind an amount of the write-offs report, the largest amounts first.

    COLUMN is the amount. The default is net.
    """
    return api.get_all("/reports/write-offs/claims", "claims", **amount)


COMMANDS = [report]

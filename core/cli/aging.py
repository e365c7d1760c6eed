"""`settle aging`: balances by age, responsibility and payer."""

from pathlib import Path
from typing import Any

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.enums.practices import SELF_PAY
from core.money import format_cents

_PAYER_WIDTH = 28
_WIDTH = 14


def _describe(answer: dict[str, Any] | Path) -> str:
    if isinstance(answer, Path):
        return f"Wrote {answer}."
    rows = answer["rows"]
    lines = [f"A/R aging on {formats.day(answer['as_of'])}, by days since the date of service"]
    for side in dict.fromkeys(row["responsibility"] for row in rows):
        lines += ["", _heading(side, rows[0]["buckets"])]
        lines += [_line(row) for row in rows if row["responsibility"] == side]
    return "\n".join([*lines, "", f"Net A/R {format_cents(answer['net_cents'])}"])


def _heading(side: str, buckets: list[dict[str, Any]]) -> str:
    ages = [f"over {one['first_day'] - 1}" if one["last_day"] is None else f"{one['first_day']}–{one['last_day']}"
            for one in buckets]  # fmt: skip
    return _columns(side.capitalize(), [*ages, "owed", "credits", "net"])


def _line(row: dict[str, Any]) -> str:
    cents = [*(one["cents"] for one in row["buckets"]), row["owed"]["cents"], row["credits"]["cents"], row["net_cents"]]
    return _columns(row["payer"] or SELF_PAY, [format_cents(one) for one in cents])


def _columns(first: str, others: list[str]) -> str:
    return f"{first[:_PAYER_WIDTH]:<{_PAYER_WIDTH}}" + "".join(f"{one:>{_WIDTH}}" for one in others)


@user_command(_describe)
@click.option(
    "--output", "path", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to a file. The path must end in .csv or .xlsx.",
)  # fmt: skip
def aging(api: Api, path: Path | None) -> Any:
    """Show balances by age, responsibility and primary payer."""
    if path is None:
        return api.get("/aging")
    api.download(f"/aging.{options.required_format(path)}", path)
    return path


COMMANDS = [aging]

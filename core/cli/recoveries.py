"""`settle recoveries`: payments after a write-off."""

from typing import Any

import click

from core.cli import formats
from core.cli.client import Api
from core.cli.user_command import user_command
from core.money import format_cents


def _describe(answer: dict[str, Any]) -> str:
    if not answer["months"]:
        return "No payment has been posted after a write-off."
    is_of_month = click.get_current_context().params["month"] is not None
    lines = map(_of_payment, answer["recoveries"]) if is_of_month else map(_of_month, answer["months"])
    return "\n".join(lines)


def _of_month(one: dict[str, Any]) -> str:
    undone, again, recovered = (
        format_cents(one[name]) for name in ("taken_back_cents", "posted_again_cents", "recovered_cents")
    )
    return (
        f"{one['month']}  payments {one['payments']:,}: write-offs reversed {undone}, "
        f"re-posted or restored {again}, recovered {recovered}"
    )


def _of_payment(row: dict[str, Any]) -> str:
    jobs = ", ".join(f"job {job}" for job in row["settle_job_ids"])
    what, did = ("payment", "reversed") if row["amount_cents"] > 0 else ("refund, takeback or void", "restored")
    return (
        f"{formats.day(row['posted_on'])}  claim {row['claim_id']}, line {row['line']}, {row['responsibility']}: "
        f"{what} of {format_cents(abs(row['amount_cents']))} {did} {format_cents(abs(row['recovered_cents']))} "
        f"in write-offs from {jobs}"
    )


@user_command(_describe)
@click.option("--month", metavar="YYYY-MM", help="List the payments in one month.")
def recoveries(api: Api, month: str | None) -> Any:
    """Show payments after a write-off, by month."""
    return api.get_all("/recoveries", "recoveries", most=None if month else 1, month=month)


COMMANDS = [recoveries]

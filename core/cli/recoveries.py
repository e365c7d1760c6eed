"""`settle recoveries`: payments after a write-off."""

import json
from typing import Any

import click

from core.access.permissions import Action
from core.cli import options
from core.ledger.recoveries import MonthRecoveries, Recovery, page, totals_by_month
from core.money import format_cents
from core.practices import periods


@click.command()
@options.as_option
@click.option("--month", "name", metavar="YYYY-MM", help="List the payments of one month.")
@options.json_option
def recoveries(email: str, name: str | None, as_json: bool) -> None:
    """Show payments after a write-off, by month."""
    month = periods.parse_month(name) if name else None
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        months = totals_by_month(session, by.practice_id)
        rows = page(session, by.practice_id, month=month, limit=None) if month else []
    if as_json:
        found = rows if month else months
        click.echo(json.dumps([_facts(one) for one in found], default=str))
        return
    for one in months if month is None else []:
        undone, again = format_cents(one.reversed_cents), format_cents(one.posted_again_cents)
        click.echo(
            f"{periods.format_code(one.month)}  payments {one.payments:,}: write-offs reversed {undone}, "
            f"re-posted or restored {again}, recovered {format_cents(one.recovered_cents)}"
        )
    for row in rows:
        jobs = ", ".join(f"job {job}" for job in row.job_ids)
        what, did = ("payment", "reversed") if row.amount_cents > 0 else ("refund or takeback", "restored")
        click.echo(
            f"{row.posted_on:%m/%d/%Y}  claim {row.claim_id}, line {row.line}, {row.responsibility.value}: {what} of "
            f"{format_cents(abs(row.amount_cents))} {did} {format_cents(abs(row.recovered_cents))} "
            f"of write-offs of {jobs}"
        )
    if not (rows or months):
        click.echo("No payment has been posted after a write-off.")


COMMANDS = [recoveries]


def _facts(one: Recovery | MonthRecoveries) -> dict[str, Any]:
    """Return the JSON of a payment or a month, with the names of the API."""
    facts = {"taken_back_cents" if name == "reversed_cents" else name: value for name, value in vars(one).items()}
    return {**facts, "recovered_cents": one.recovered_cents}

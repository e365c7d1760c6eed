"""`settle credits`: service lines with a credit balance."""

import json
from typing import Any

import click

from core.access.permissions import Action
from core.cli import context, options
from core.counting import counted
from core.db.engine import transaction
from core.ledger import credit_balances
from core.ledger.credit_balances import CreditsFilter
from core.models.ledger import Responsibility
from core.models.practices import PayerClass
from core.money import format_cents
from core.practices import practice_days, practice_queries


@click.command("credits")
@options.as_option
@click.option("--responsibility", type=click.Choice([side.value for side in Responsibility]))
@click.option(
    "--payer-class", type=click.Choice([kind.value for kind in PayerClass]), help="Class of the primary payer."
)
@click.option("--at-least-cents", metavar="CENTS", help="Minimum credit, in cents.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the list as CSV.")
@options.json_option
def credits_(email: str, as_csv: bool, as_json: bool, **given: str | None) -> None:
    """List service lines with a credit balance.

    The oldest date of service comes first.
    """
    if as_csv and as_json:
        raise click.UsageError("Use either --csv or --json, not both.")
    wanted = CreditsFilter.of({name: value for name, value in given.items() if value})
    with options.sessions() as sessions:
        with transaction(sessions) as session:
            by = options.find_actor(session, email)
            by.require(Action.SEE_CLAIMS)
            today = practice_days.today(practice_queries.find(session, by.practice_id), now=context.utc_now())
            if as_csv:
                credit_balances.authorize_export(session, by=by, now=context.utc_now())
        with sessions() as session:
            if as_csv:
                for piece in credit_balances.csv_file(session, by.practice_id, wanted, today=today):
                    # the same bytes as the page's file, whatever the terminal's encoding
                    click.echo(piece.encode(), nl=False)
                return
            rows, cursor = [], None
            while True:
                page = credit_balances.page(
                    session, by.practice_id, wanted, cursor=cursor, limit=credit_balances.PAGE_MAX
                )
                rows += page.rows
                cursor = page.next_cursor
                if cursor is None:
                    break
    if as_json:
        click.echo(json.dumps([_facts(row, today) for row in rows], default=str))
        return
    for row in rows:
        return_by = row.return_by(today)
        until = f", refund due to {row.return_to} by {return_by:%m/%d/%Y} if identified today" if return_by else ""
        click.echo(
            f"{row.claim_id}  line {row.line}  {row.responsibility.value:<9}  {format_cents(row.credit_cents):>12}"
            f"  since {row.since:%m/%d/%Y} ({row.days(today)} days){until}"
        )
    click.echo(f"{counted(len(rows), 'credit')}, total {format_cents(sum(row.credit_cents for row in rows))}.")


def _facts(row: credit_balances.Credit, today: Any) -> dict[str, Any]:
    return {**vars(row), **row.values_on(today)}


COMMANDS = [credits_]

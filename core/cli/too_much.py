"""What was paid too much, and what was paid late."""

import json
from typing import Any

import click

from core.access.permissions import Action
from core.cli import acting, context
from core.db.engine import transaction
from core.ledger import credits as work_list, recoveries as late
from core.ledger.credits import CreditsFilter
from core.ledger.models import Responsibility
from core.money import format_cents
from core.practices import calendar, periods, queries
from core.practices.models import PayerClass


@click.command("credits")
@acting.as_option
@click.option("--responsibility", type=click.Choice([side.value for side in Responsibility]))
@click.option("--payer-class", type=click.Choice([kind.value for kind in PayerClass]), help="Of the primary payer.")
@click.option("--at-least-cents", metavar="CENTS", help="Credits of at least so much.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the list as CSV.")
@acting.json_option
def credits_(email: str, as_csv: bool, as_json: bool, **given: str | None) -> None:
    """List every line on which a payer or a patient has a credit, the oldest date of service first."""
    if as_csv and as_json:
        raise click.UsageError("Either --csv or --json.")
    wanted = CreditsFilter.of({name: value for name, value in given.items() if value})
    with acting.sessions() as sessions:
        with transaction(sessions) as session:
            by = acting.actor(session, email)
            by.require(Action.SEE_CLAIMS)
            today = calendar.today(queries.find(session, by.practice_id), now=context.utc_now())
            if as_csv:
                work_list.read_by(session, by=by, now=context.utc_now())
        with sessions() as session:
            if as_csv:
                for piece in work_list.csv_file(session, by.practice_id, wanted, today=today):
                    click.echo(piece, nl=False)
                return
            rows, cursor = [], None
            while True:
                page = work_list.page(session, by.practice_id, wanted, cursor=cursor, limit=work_list.PAGE_MAX)
                rows += page.rows
                cursor = page.next_cursor
                if cursor is None:
                    break
    if as_json:
        click.echo(json.dumps([_facts(row, today) for row in rows], default=str))
        return
    for row in rows:
        return_by = row.return_by(today)
        until = f", return to {row.return_to} by {return_by:%m/%d/%Y} if identified today" if return_by else ""
        click.echo(
            f"{row.claim_id}  line {row.line}  {row.responsibility.value:<9}  {format_cents(row.credit_cents):>12}"
            f"  since {row.since:%m/%d/%Y} ({row.days(today)} days){until}"
        )
    click.echo(f"{len(rows):,} credits, {format_cents(sum(row.credit_cents for row in rows))} in all.")


def _facts(row: work_list.Credit, today: Any) -> dict[str, Any]:
    return {**vars(row), **row.reckoned(today)}


@click.command()
@acting.as_option
@click.option("--month", "name", metavar="YYYY-MM", help="The payments of this month, one by one.")
@acting.json_option
def recoveries(email: str, name: str | None, as_json: bool) -> None:
    """Say what payments that came after a write-off took back, by month."""
    month = periods.named(name) if name else None
    with acting.sessions() as sessions, sessions() as session:
        by = acting.actor(session, email)
        by.require(Action.SEE_CLAIMS)
        months = late.by_month(session, by.practice_id)
        rows = late.page(session, by.practice_id, month=month, limit=None) if month else []
    if as_json:
        found = rows if month else months
        click.echo(json.dumps([{**vars(one), "recovered_cents": one.recovered_cents} for one in found], default=str))
        return
    for one in months if month is None else []:
        taken_back, again = format_cents(one.taken_back_cents), format_cents(one.posted_again_cents)
        click.echo(
            f"{periods.name_of(one.month)}  {one.payments:>6,} payments  taken back {taken_back}, posted again "
            f"{again}: recovered {format_cents(one.recovered_cents)}"
        )
    for row in rows:
        jobs = ", ".join(f"job {job}" for job in row.job_ids)
        click.echo(
            f"{row.posted_on:%m/%d/%Y}  claim {row.claim_id}, line {row.line}, {row.responsibility.value}: payment of "
            f"{format_cents(row.amount_cents)} took back {format_cents(row.recovered_cents)} of {jobs}"
        )
    if not (rows or months):
        click.echo("No payment has come after a write-off.")


COMMANDS = [credits_, recoveries]

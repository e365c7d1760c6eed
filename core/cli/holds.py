"""Holds and exclusions, which block claims from being settled."""

import datetime as dt
import json
from typing import Any

import click

from core.access.permissions import Action
from core.claims import holds
from core.cli import context, options
from core.db.engine import transaction
from core.models.claims import Hold
from core.practices import exclusions, practice_days, practice_queries

_NONE = "none"

_until_option = click.option(
    "--until", type=options.DAY, metavar="YYYY-MM-DD", help="Last day.  [default: no end date]"
)


@click.command("hold")
@click.argument("claim")
@click.argument("hold", type=click.Choice([*(hold.value for hold in Hold), _NONE]))
@click.option("--why", default="", help="Reason, for later readers.")
@_until_option
@options.as_option
def set_hold(claim: str, hold: str, why: str, until: dt.date | None, email: str) -> None:
    """Put a claim on hold, so that it is not settled. "none" releases it."""
    _hold(claim, None if hold == _NONE else Hold(hold), email, why=why, until=until)


@click.command()
@click.argument("claim")
@options.as_option
def release(claim: str, email: str) -> None:
    """Release a claim that is on hold."""
    _hold(claim, None, email)


def _hold(claim: str, wanted: Hold | None, email: str, *, why: str = "", until: dt.date | None = None) -> None:
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email)
        holds.set_hold(session, claim, wanted, reason=why, until=until, by=by, now=context.utc_now())
    state = f"on hold ({wanted.value})" if wanted else "not on hold"
    click.echo(f"Claim {claim} is {state}{f' through {until:%m/%d/%Y}' if wanted and until else ''}.")


@click.command()
@click.argument("kind", type=click.Choice(["patient", "payer"]))
@click.argument("number", metavar="ID")
@click.option("--why", required=True, help="Reason, for later readers.")
@_until_option
@options.as_option
@options.json_option
def exclude(kind: str, number: str, why: str, until: dt.date | None, email: str, as_json: bool) -> None:
    """Exclude a patient or payer from write-offs."""
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email)
        whom: dict[str, Any] = {kind: number}
        made = exclusions.exclude(session, **whom, reason=why, until=until, by=by, now=context.utc_now())
    if as_json:
        click.echo(json.dumps({"id": str(made), kind: number, "until": until.isoformat() if until else None}))
        return
    click.echo(
        f"{kind.capitalize()} {number} is excluded{f' through {until:%m/%d/%Y}' if until else ''} (exclusion {made})."
    )


@click.command("end-exclusion")
@click.argument("exclusion", type=options.RecordNumber("exclusion", where="to find it, run `settle exclusions`"))
@options.as_option
def end_exclusion(exclusion: int, email: str) -> None:
    """End an exclusion. To find its number, run `settle exclusions`."""
    with options.sessions() as sessions, transaction(sessions) as session:
        exclusions.end(session, exclusion, by=options.find_actor(session, email), now=context.utc_now())
    click.echo(f"Exclusion {exclusion} has ended.")


@click.command("exclusions")
@click.option("--all", "every", is_flag=True, help="Include ended exclusions.")
@options.as_option
@options.json_option
def list_exclusions(every: bool, email: str, as_json: bool) -> None:
    """List excluded patients and payers."""
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        today = practice_days.today(practice_queries.find(session, by.practice_id), now=context.utc_now())
        found = exclusions.list_exclusions(session, by.practice_id, today=today, lasting_only=not every)
    if as_json:
        click.echo(json.dumps([_exclusion_facts(row) for row in found], default=str))
        return
    for row in found:
        whom = f"patient {row.patient}" if row.patient else f"payer {row.payer}"
        until = "until ended" if row.until is None else f"through {row.until:%m/%d/%Y}"
        state = "" if row.lasts else " (ended)"
        click.echo(f"{row.id}  {whom}  {until}{state}, by {row.created_by}: {row.reason}")
    if not found:
        click.echo("No patient or payer is excluded from write-offs.")


def _hold_facts(row: holds.HeldClaim) -> dict[str, Any]:
    """Return a claim's hold as JSON. Programs know the reason by another name."""
    names = {"reason": "why"}
    return {names.get(name, name): value for name, value in row._asdict().items() if name != "id"}


def _exclusion_facts(row: exclusions.ExclusionRow) -> dict[str, Any]:
    """Return an exclusion as JSON. Programs know three of its fields by other names."""
    names = {"reason": "why", "created_by": "made_by", "created_at": "made_at"}
    return {names.get(name, name): value for name, value in row._asdict().items()}


@click.command("holds")
@click.option("--hold", type=click.Choice([hold.value for hold in Hold]), help="Only holds of this kind.")
@options.as_option
@options.json_option
def list_holds(hold: str | None, email: str, as_json: bool) -> None:
    """List claims on hold."""
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        today = practice_days.today(practice_queries.find(session, by.practice_id), now=context.utc_now())
        found: list[holds.HeldClaim] = []
        kind = Hold(hold) if hold else None
        while page := holds.list_held_claims(
            session, by.practice_id, today=today, hold=kind, after_id=found[-1].id if found else None
        ):
            found += page
    if as_json:
        shown = [_hold_facts(row) for row in found]
        click.echo(json.dumps(shown, default=str))
        return
    for row in found:
        until = "until released" if row.until is None else f"through {row.until:%m/%d/%Y}"
        why = f": {row.reason}" if row.reason else ""
        click.echo(f"{row.claim_id}  {row.hold.value}  {until}, by {row.by or 'import'}{why}")
    if not found:
        click.echo("No claim is on hold.")


COMMANDS = [list_holds, set_hold, release, exclude, end_exclusion, list_exclusions]

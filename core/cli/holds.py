"""Holds and exclusions, which block claims from being settled."""

from typing import Any

import click

from core.cli import formats, options
from core.cli.client import Api, claim_path
from core.cli.user_command import user_command
from core.enums.claims import Hold

_NONE = "none"

_until_option = click.option(
    "--until", type=options.DAY, metavar="YYYY-MM-DD", help="Last day.  [default: no end date]"
)


def _say_hold(claim: dict[str, Any]) -> str:
    state = f"on hold ({claim['hold']})" if claim["hold"] else "not on hold"
    return f"Claim {claim['id']} is {' '.join(filter(None, (state, formats.through(claim['hold_until']))))}."


@user_command(_say_hold, name="hold")
@click.argument("claim")
@click.argument("hold", type=options.choice(Hold, _NONE))
@click.option("--why", default="", help="Reason, for anyone who looks at this later.")
@_until_option
def set_hold(api: Api, claim: str, hold: str, why: str, until: str | None) -> Any:
    """Put a claim on hold, so that it is not settled. "none" releases it."""
    return _hold(api, claim, hold=None if hold == _NONE else hold, why=why, until=until)


@user_command(_say_hold)
@click.argument("claim")
def release(api: Api, claim: str) -> Any:
    """Release a claim that is on hold."""
    return _hold(api, claim, hold=None)


def _hold(api: Api, claim: str, **wanted: str | None) -> Any:
    return api.send("PUT", claim_path(claim, "/hold"), body=wanted)


def _whom(row: dict[str, Any]) -> str:
    return f"patient {row['patient']}" if row["patient"] else f"payer {row['payer']}"


def _say_exclusion(row: dict[str, Any]) -> str:
    state = "is excluded" if row["lasts"] else "is no longer excluded"
    last_day = formats.through(row["until"] if row["lasts"] else None)
    return f"{_whom(row).capitalize()} {' '.join(filter(None, (state, last_day)))} (exclusion {row['id']})."


@user_command(_say_exclusion)
@click.argument("kind", type=options.choice(["patient", "payer"]))
@click.argument("number", metavar="ID")
@click.option("--why", required=True, help="Reason, for anyone who looks at this later.")
@_until_option
def exclude(api: Api, kind: str, number: str, why: str, until: str | None) -> Any:
    """Exclude a patient or payer from write-offs."""
    return api.post("/exclusions", {kind: number, "why": why, "until": until})


@user_command(_say_exclusion, name="end-exclusion")
@click.argument("exclusion", type=options.RecordNumber("exclusion", where="to find it, run `settle exclusions`"))
def end_exclusion(api: Api, exclusion: int) -> Any:
    """End an exclusion. To find its number, run `settle exclusions`."""
    return api.post(f"/exclusions/{exclusion}/end")


def _list_exclusions(answer: dict[str, Any]) -> str:
    lines = []
    for row in answer["exclusions"]:
        state = "" if row["lasts"] else " (ended)"
        until = formats.through(row["until"], without="until ended")
        lines.append(f"{row['id']}  {_whom(row)}  {until}{state}, by {row['made_by']}: {row['why']}")
    return "\n".join(lines) or "No patient or payer is excluded from write-offs."


@user_command(_list_exclusions, name="exclusions")
@click.option("--all", "every", is_flag=True, help="Include ended exclusions.")
def list_exclusions(api: Api, every: bool) -> Any:
    """List excluded patients and payers."""
    return api.get_all("/exclusions", "exclusions", all=every)


def _list_holds(answer: dict[str, Any]) -> str:
    lines = []
    for row in answer["holds"]:
        until = formats.through(row["until"], without="until released")
        why = f": {row['why']}" if row["why"] else ""
        lines.append(f"{row['claim_id']}  {row['hold']}  {until}, by {row['by'] or 'import'}{why}")
    return "\n".join(lines) or "No claim is on hold."


@user_command(_list_holds, name="holds")
@click.option("--hold", type=options.choice(Hold), help="Only holds of this kind.")
def list_holds(api: Api, hold: str | None) -> Any:
    """List claims on hold."""
    return api.get_all("/holds", "holds", hold=hold)


COMMANDS = [list_holds, set_hold, release, exclude, end_exclusion, list_exclusions]

"""`settle schedule`: create and change schedules, and the practice's time zone."""

import secrets
from collections.abc import Callable
from typing import Any, Final

import click

from core.cli import claim_filter, options
from core.cli.client import Api
from core.cli.schedule_output import schedule, schedule_argument
from core.cli.user_command import user_command
from core.enums.jobs import CONFIRMATION
from core.money import limit_as_json
from core.schedules.requests import WEEKDAYS, ScheduleRequest, parse_claims_cap

_confirmation_option = click.option("--confirmation", help="The word CONFIRM. Without it, the command asks.")

# Every field of a schedule as an option. `change` keeps fields that are not given.
_FIELDS: Final = (
    click.option("--name", help="The schedule's name."),
    claim_filter.filter_option,
    click.option("--at", "local_time", metavar="HH:MM", help="Time of the run, in the practice's time zone."),
    click.option(
        "--weekday",
        "weekdays",
        multiple=True,
        type=options.choice(WEEKDAYS),
        help="Day to run on. Repeat for more days. By default, a new schedule runs every day.",
    ),
    click.option("--reason", metavar="CODE", help="Code of the write-off reason (see `settle reason list`)."),
    click.option("--note", help="Note, saved with every write-off in the ledger."),
    click.option("--claims-max", metavar="N|unlimited", help="Max claims per run without approval."),
    click.option("--amount-max", **options.LIMIT_OPTION, help="Max write-off per run without approval."),
    click.option(
        "--late-minutes",
        type=int,
        help="Latest start, in minutes after the scheduled time. By default, 240 for a new schedule.",
    ),
    click.option(
        "--mail-to", multiple=True, metavar="EMAIL", help="Address to e-mail the run report to. Repeat for more."
    ),
)


def _with_fields(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_FIELDS):
        command = option(command)
    return command


def _say_state(found: dict[str, Any]) -> str:
    return f"Schedule {found['id']} is {found['state']}. {found['words']}"


@user_command(_say_state, group=schedule)
@_with_fields
def add(api: Api, **given: Any) -> Any:
    """Create a schedule in report-only mode. Turn on settling with `settle schedule settle`."""
    return api.post("/schedules", {"weekdays": WEEKDAYS, **_given_fields(given)})


@user_command(_say_state, group=schedule)
@schedule_argument
@_with_fields
@_confirmation_option
def change(api: Api, schedule_id: int, confirmation: str | None, **given: Any) -> Any:
    """Change a schedule, starting with its next run.

    Fields that are not given stay the same. If the schedule settles, CONFIRM is required.
    """
    found = api.get(f"/schedules/{schedule_id}")
    if found["mode"] == "settle" and confirmation is None:
        confirmation = click.prompt(f"Type {CONFIRMATION} to change what it settles", err=True)
    kept = {name: found[name] for name in ScheduleRequest.model_fields}
    body = {**kept, **_given_fields(given), "version": found["version"], "confirmation": confirmation}
    return api.send("PUT", f"/schedules/{schedule_id}", body=body)


@user_command(_say_state, group=schedule)
@schedule_argument
@_confirmation_option
def settle(api: Api, schedule_id: int, confirmation: str | None) -> Any:
    """Turn on settling, starting with the next run. CONFIRM is required."""
    version = api.get(f"/schedules/{schedule_id}")["version"]
    if confirmation is None:
        confirmation = click.prompt(f"Type {CONFIRMATION} to turn on settling", err=True)
    return api.post(f"/schedules/{schedule_id}/settle", {"confirmation": confirmation, "version": version})


@user_command(_say_state, name="report-only", group=schedule)
@schedule_argument
def report_only(api: Api, schedule_id: int) -> Any:
    """Switch a schedule to report-only mode."""
    version = api.get(f"/schedules/{schedule_id}")["version"]
    return api.post(f"/schedules/{schedule_id}/report-only", {"version": version})


def _add_action(act: str, help_: str) -> None:
    @schedule_argument
    def command(api: Api, schedule_id: int) -> Any:
        return api.post(f"/schedules/{schedule_id}/{act}")

    command.__doc__ = help_
    user_command(_say_state, name=act, group=schedule)(command)


_add_action("pause", "Pause a schedule. It does not run until it is resumed.")
_add_action("resume", "Resume a schedule. If it was stopped, you become its owner.")


@user_command(lambda deleted: f"Schedule {deleted['id']} is deleted.", group=schedule)
@schedule_argument
def delete(api: Api, schedule_id: int) -> Any:
    """Delete a schedule. Its jobs that are running or need approval continue."""
    api.send("DELETE", f"/schedules/{schedule_id}")
    return {"id": str(schedule_id)}


@user_command(lambda run: f"Run {run['id']}: {run['words']}", name="run-now", group=schedule)
@schedule_argument
@click.option("--key", help="Idempotency key: a repeated key never starts a second run.  [default: a new key]")
def run_now(api: Api, schedule_id: int, key: str | None) -> Any:
    """Run a schedule now, in addition to its scheduled runs."""
    return api.post(f"/schedules/{schedule_id}/run-now", key=key or secrets.token_urlsafe(16))


def _say_time_zone(practice: dict[str, Any]) -> str:
    return (
        f"Time zone set to {practice['time_zone']}. Dates and schedules now use it. Existing postings keep their dates."
    )


@user_command(_say_time_zone, name="time-zone")
@click.argument("name")
def set_time_zone(api: Api, name: str) -> Any:
    """Set the practice's time zone.

    NAME is, for example, America/Chicago.
    """
    return api.send("PUT", "/practice/time-zone", body={"time_zone": name})


def _given_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return the given fields as a schedule request."""
    wanted = {name: value for name, value in given.items() if value is not None and value != ()}
    if "filters" in wanted:
        wanted["filter"] = claim_filter.parse_filters(wanted.pop("filters"))
    if "claims_max" in wanted:
        wanted["claims_max"] = parse_claims_cap(wanted["claims_max"])
    if "amount_max" in wanted:
        wanted["cents_max"] = limit_as_json(wanted.pop("amount_max"))
    return wanted


COMMANDS = [schedule, set_time_zone]

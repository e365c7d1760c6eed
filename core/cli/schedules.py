"""`settle schedule`: create and change schedules, and the practice's time zone."""

import json
import secrets
from collections.abc import Callable
from typing import Any, Final

import click
from sqlalchemy.orm import Session

from core.claims.filters import ClaimFilter
from core.cli import context, options
from core.cli.schedule_output import (
    READ_COMMANDS,
    practice_option,
    run_facts,
    schedule_argument,
    schedule_facts,
    schedule_sentence,
)
from core.db.engine import transaction
from core.jobs.lifecycle import CONFIRMATION
from core.models.ledger import WriteOffReason
from core.models.schedules import Schedule, ScheduleMode
from core.money import UNLIMITED, UNLIMITED_WORD, limit_as_json, parse_limit
from core.schedules import schedule_commands, schedule_queries, time_zone
from core.schedules.requests import COLUMNS, WEEKDAYS, ScheduleRequest, parse_claims_cap

_confirmation_option = click.option("--confirmation", help="The word CONFIRM. Without it, the command asks.")

# Every field of a schedule as an option. `change` keeps fields that are not given.
_FIELDS: Final = (
    click.option("--name", help="Name of the schedule."),
    click.option(
        "--filter",
        "filters",
        multiple=True,
        metavar="KEY=VALUE",
        help="Claims that match. Repeat a KEY to match any of its values.",
    ),
    click.option("--at", "local_time", metavar="HH:MM", help="Time of the run, in the practice's time zone."),
    click.option(
        "--weekday",
        "weekdays",
        multiple=True,
        type=click.Choice(WEEKDAYS),
        help="Day of the run. Repeat for more days. A new schedule runs every day by default.",
    ),
    click.option(
        "--reason", type=click.Choice([reason.value for reason in WriteOffReason]), help="Reason for the write-off."
    ),
    click.option("--note", help="Note, saved with every write-off in the ledger."),
    click.option("--claims-max", metavar="N|unlimited", help="Max claims per run without approval."),
    click.option("--amount-max", metavar="DOLLARS|unlimited", help="Max write-off per run without approval."),
    click.option(
        "--late-minutes",
        type=int,
        help="Latest start, in minutes after the set time. By default, 240 for a new schedule.",
    ),
    click.option("--mail-to", multiple=True, metavar="EMAIL", help="E-mail the run report here. Repeat for more."),
)


@click.group()
def schedule() -> None:
    """Manage schedules. A schedule creates a job at a set local time."""


def _with_fields(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_FIELDS):
        command = option(command)
    return command


@schedule.command("add")
@_with_fields
@practice_option
@options.as_option
@options.json_option
def add(practice: str | None, email: str, as_json: bool, **given: Any) -> None:
    """Create a schedule in report-only mode. Turn on settling with `settle schedule settle`."""
    request = ScheduleRequest.of({"weekdays": WEEKDAYS, **_given_fields(given)})
    _run_schedule_command(schedule_commands.create, request, email=email, practice=practice, as_json=as_json)


@schedule.command("change")
@schedule_argument
@_with_fields
@_confirmation_option
@practice_option
@options.as_option
@options.json_option
def change(
    schedule_id: int, confirmation: str | None, practice: str | None, email: str, as_json: bool, **given: Any
) -> None:
    """Change the given fields, starting with the next run. A schedule that settles needs CONFIRM."""
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email, practice)
        found = schedule_queries.find(session, by.practice_id, schedule_id)
    request = ScheduleRequest.of({**_current_fields(found), **_given_fields(given)})
    if found.mode is ScheduleMode.SETTLE and confirmation is None:
        confirmation = click.prompt(f"Type {CONFIRMATION} to change what it settles")
    _run_schedule_command(
        schedule_commands.change, schedule_id, request, version=found.version, confirmation=confirmation, email=email,
        practice=practice, as_json=as_json,
    )  # fmt: skip


@schedule.command("settle")
@schedule_argument
@_confirmation_option
@practice_option
@options.as_option
@options.json_option
def settle(schedule_id: int, confirmation: str | None, practice: str | None, email: str, as_json: bool) -> None:
    """Turn on settling, starting with the next run. Needs CONFIRM."""
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email, practice)
        found = schedule_queries.find(session, by.practice_id, schedule_id)
    word = confirmation if confirmation is not None else click.prompt(f"Type {CONFIRMATION} to turn on settling")
    _run_schedule_command(
        schedule_commands.start_settling, schedule_id, confirmation=word, version=found.version, email=email,
        practice=practice, as_json=as_json,
    )  # fmt: skip


@schedule.command("report-only")
@schedule_argument
@practice_option
@options.as_option
@options.json_option
def report_only(schedule_id: int, practice: str | None, email: str, as_json: bool) -> None:
    """Switch a schedule to report-only mode."""

    def act(session: Session, **who: Any) -> Schedule:
        version = schedule_queries.find(session, who["by"].practice_id, schedule_id).version
        return schedule_commands.report_only(session, schedule_id, version=version, **who)

    _run_schedule_command(act, email=email, practice=practice, as_json=as_json)


def _add_action_command(name: str, act: Callable[..., Schedule], help_: str) -> None:
    @schedule.command(name, help=help_)
    @schedule_argument
    @practice_option
    @options.as_option
    @options.json_option
    def command(schedule_id: int, practice: str | None, email: str, as_json: bool) -> None:
        _run_schedule_command(act, schedule_id, email=email, practice=practice, as_json=as_json)


_add_action_command("pause", schedule_commands.pause, "Pause a schedule. It does not run until it is resumed.")
_add_action_command("resume", schedule_commands.resume, "Resume a schedule. If it was stopped, you become its owner.")
_add_action_command(
    "delete", schedule_commands.delete, "Delete a schedule. A job that is running or waiting continues."
)


@schedule.command("run-now")
@schedule_argument
@click.option("--key", help="Idempotency key: a repeated key never starts a second run.  [default: a new key]")
@practice_option
@options.as_option
@options.json_option
def run_now(schedule_id: int, key: str | None, practice: str | None, email: str, as_json: bool) -> None:
    """Run a schedule now, in addition to its scheduled runs."""
    with options.sessions() as sessions, transaction(sessions) as session:
        by, now = options.find_actor(session, email, practice), context.utc_now()
        run = schedule_commands.run_now(session, schedule_id, key=key or secrets.token_urlsafe(16), by=by, now=now)
        facts = run_facts(session, run, now=now)
    click.echo(json.dumps(facts) if as_json else f"Run {facts['id']}: {facts['sentence']}")


@click.command("time-zone")
@click.argument("name")
@practice_option
@options.as_option
def set_time_zone(name: str, practice: str | None, email: str) -> None:
    """Set the practice's time zone.

    NAME is, for example, America/Chicago.
    """
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email, practice)
        time_zone.set_time_zone(session, name, by=by, now=context.utc_now())
    click.echo(f"Time zone set to {name}. Dates and schedules now use it. Existing postings keep their date.")


def _run_schedule_command(
    act: Callable[..., Schedule], *what: Any, email: str, practice: str | None, as_json: bool, **more: Any
) -> None:
    with options.sessions() as sessions, transaction(sessions) as session:
        by, now = options.find_actor(session, email, practice), context.utc_now()
        found = act(session, *what, by=by, now=now, **more)
        facts, sentence = schedule_facts(session, found, now=now), schedule_sentence(session, found)
    if as_json:
        click.echo(json.dumps(facts))
    elif found.deleted_at is not None:
        click.echo(f"Schedule {found.id} is deleted.")
    else:
        click.echo(f"Schedule {found.id} is {found.state.value}. {sentence}")


def _given_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Return the given fields as a schedule request."""
    wanted = {name: value for name, value in given.items() if value is not None and value != ()}
    if "filters" in wanted:
        wanted["filter"] = ClaimFilter.from_texts(options.parse_filters(wanted.pop("filters"))).given()
    if "claims_max" in wanted:
        wanted["claims_max"] = parse_claims_cap(wanted["claims_max"])
    if "amount_max" in wanted:
        wanted["cents_max"] = limit_as_json(parse_limit(wanted.pop("amount_max")))
    return wanted


def _current_fields(found: Schedule) -> dict[str, Any]:
    """Return a schedule's fields as a request."""
    wanted = {name: getattr(found, COLUMNS.get(name, name)) for name in ScheduleRequest.model_fields}
    return {**wanted, **{cap: UNLIMITED_WORD for cap in ("claims_max", "cents_max") if wanted[cap] >= UNLIMITED}}


for _shown in READ_COMMANDS:
    schedule.add_command(_shown)

COMMANDS = [schedule, set_time_zone]

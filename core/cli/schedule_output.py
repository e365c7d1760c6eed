"""Output of `settle schedule`: schedules, next runs and results."""

import datetime as dt
import json
from typing import Any, Final

import click
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.cli import context, options
from core.counting import counted
from core.jobs import codes
from core.models.schedules import Schedule, ScheduleRun
from core.money import format_cents, limit_as_json
from core.practices.practice_queries import find
from core.schedules import descriptions, estimates, reports, schedule_queries

_SCHEDULE: Final = options.RecordNumber("schedule", where="to find it, run `settle schedule list`")
_RUN: Final = options.RecordNumber("run", where="to find it, run `settle schedule runs`")
practice_option = click.option("--practice", metavar="NAME", help="Fail if the user is not in this practice.")
schedule_argument = click.argument("schedule_id", metavar="SCHEDULE", type=_SCHEDULE)


@click.command("list")
@practice_option
@options.as_option
@options.json_option
def list_schedules(practice: str | None, email: str, as_json: bool) -> None:
    """List the schedules, what each does and its next run."""
    with options.sessions() as sessions, sessions() as session:
        by, now = _find_reader(session, email, practice), context.utc_now()
        found = [
            schedule_facts(session, one, now=now) for one in schedule_queries.list_schedules(session, by.practice_id)
        ]
    if as_json:
        click.echo(json.dumps({"schedules": found}))
        return
    for one in found:
        click.echo(f"{one['id']:>6}  {one['state']:<8} {one['mode']:<7} next {one['next'] or 'never'}  {one['name']}")
        click.echo(f"        {one['sentence']}")


@click.command("show")
@schedule_argument
@practice_option
@options.as_option
@options.json_option
def show(schedule_id: int, practice: str | None, email: str, as_json: bool) -> None:
    """Show a schedule."""
    with options.sessions() as sessions, sessions() as session:
        by, now = _find_reader(session, email, practice), context.utc_now()
        facts = schedule_facts(session, schedule_queries.find(session, by.practice_id, schedule_id), now=now)
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(facts["sentence"])
    for name in ("name", "state", "stopped_because", "next", "filter", "note", "late_minutes", "mail_to"):
        if facts[name]:
            click.echo(f"  {name.replace('_', ' ')}: {facts[name]}")


@click.command("tonight")
@schedule_argument
@practice_option
@options.as_option
@options.json_option
def tonight(schedule_id: int, practice: str | None, email: str, as_json: bool) -> None:
    """Estimate what a schedule's next run would settle."""
    with options.sessions() as sessions, sessions() as session:
        by = _find_reader(session, email, practice)
        found = schedule_queries.find(session, by.practice_id, schedule_id)
        seen = estimates.estimate_next_run(session, found, now=context.utc_now())
    if as_json:
        money = {"insurance_cents": seen.insurance_cents, "patient_cents": seen.patient_cents}
        facts = {"claims": seen.claims, "will_settle": seen.will_settle, "skipped": seen.skipped, **money}
        more = {"by_code": dict(seen.by_code), "over": seen.over, "as_of": str(seen.as_of), "notes": seen.notes}
        click.echo(json.dumps({**facts, **more}))
        return
    for note in seen.notes:
        click.echo(note)
    total = format_cents(seen.insurance_cents + seen.patient_cents)
    click.echo(f"It would settle {seen.will_settle:,} of {counted(seen.claims, 'claim')} and write off {total}.")
    for code, claims in seen.by_code:
        click.echo(f"  {claims:>10,}  {code}: {codes.describe(code)}")
    for code in seen.over:
        click.echo(f"  It would need another user's approval: {codes.describe(code)}.")


@click.command("runs")
@click.argument("schedule_id", metavar="[SCHEDULE]", required=False, type=_SCHEDULE)
@click.option("--limit", type=click.IntRange(1, 1_000), default=30, show_default=True, help="Most runs to list.")
@practice_option
@options.as_option
@options.json_option
def runs(schedule_id: int | None, limit: int, practice: str | None, email: str, as_json: bool) -> None:
    """List runs and their results, newest first.

    Without SCHEDULE, list the runs of all schedules.
    """
    with options.sessions() as sessions, sessions() as session:
        by, now = _find_reader(session, email, practice), context.utc_now()
        found = schedule_queries.list_runs(session, by.practice_id, schedule_id, limit=limit)
        facts = [run_facts(session, run, now=now) for run in found]
    if as_json:
        click.echo(json.dumps({"runs": facts}))
        return
    for run in facts:
        click.echo(f"{run['id']:>6}  {run['night'] or 'run now':<10}  schedule {run['schedule_id']}  {run['sentence']}")


@click.command("report")
@click.argument("run_id", metavar="RUN", type=_RUN)
@practice_option
@options.as_option
@options.json_option
def report(run_id: int, practice: str | None, email: str, as_json: bool) -> None:
    """Show the report of a run."""
    with options.sessions() as sessions, sessions() as session:
        by, now = _find_reader(session, email, practice), context.utc_now()
        facts = run_facts(session, schedule_queries.find_run(session, by.practice_id, run_id), now=now)
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(facts["sentence"])
    if facts["job_id"]:
        insurance, patient = format_cents(facts["insurance_cents"]), format_cents(facts["patient_cents"])
        click.echo(f"  Job {facts['job_id']}: insurance {insurance}, patient {patient}.")
    for code, claims in facts["by_code"].items():
        click.echo(f"  {claims:>10,}  {code}: {codes.describe(code)}")


def _find_reader(session: Session, email: str, practice: str | None) -> Actor:
    by = options.find_actor(session, email, practice)
    by.require(Action.SEE_CLAIMS)
    return by


def schedule_facts(session: Session, schedule: Schedule, *, now: dt.datetime) -> dict[str, Any]:
    """Return a schedule as JSON."""
    run_time = schedule_queries.next_run(session, schedule, now=now)
    return {
        "id": str(schedule.id),
        "name": schedule.name,
        "state": schedule.state.value,
        "stopped_because": schedule.stopped_because,
        "mode": schedule.mode.value,
        "sentence": schedule_sentence(session, schedule),
        "next": run_time.instant.isoformat() if run_time else None,
        "filter": schedule.filter,
        "local_time": schedule.local_time.isoformat("minutes"),
        "weekdays": schedule.weekdays,
        "reason": schedule.reason.value,
        "note": schedule.note,
        "claims_max": limit_as_json(schedule.claims_max),
        "cents_max": limit_as_json(schedule.cents_max),
        "late_minutes": schedule.grace_minutes,
        "mail_to": schedule.mail_to,
        "version": schedule.version,
    }


def schedule_sentence(session: Session, schedule: Schedule) -> str:
    """Return what the schedule does, in words."""
    return descriptions.describe(schedule, find(session, schedule.practice_id).time_zone)


def run_facts(session: Session, run: ScheduleRun, *, now: dt.datetime) -> dict[str, Any]:
    """Return a run and its report as JSON."""
    seen = reports.report_for_run(session, run, now=now)
    return {
        "id": str(run.id),
        "schedule_id": str(run.schedule_id),
        "night": run.local_date.isoformat() if run.local_date else None,
        "due_at": run.due_at.isoformat(),
        "begun_at": run.created_at.isoformat(),
        "mode": run.mode.value,
        "outcome": run.outcome.value,
        "because": run.reason_code,
        "state": seen.state,
        "sentence": seen.sentence,
        "job_id": str(seen.job_id) if seen.job_id is not None else None,
        **{name: getattr(seen, name) for name in ("claims", "settled", "skipped", "failed", "remaining")},
        "insurance_cents": seen.insurance_cents,
        "patient_cents": seen.patient_cents,
        "by_code": dict(seen.by_code),
        "over": list(seen.over),
        "held_by": [str(job_id) for job_id in seen.held_by],
        "mail": run.mail_state.value,
    }


READ_COMMANDS = (list_schedules, show, tonight, runs, report)

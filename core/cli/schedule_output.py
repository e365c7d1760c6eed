"""Commands that read schedules: what they do, their next run, and the results of their runs."""

from typing import Any, Final

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.money import format_cents

_SCHEDULE: Final = options.RecordNumber("schedule", where="to find it, run `settle schedule list`")
_RUN: Final = options.RecordNumber("run", where="to find it, run `settle schedule runs`")
schedule_argument = click.argument("schedule_id", metavar="SCHEDULE", type=_SCHEDULE)


@click.group()
def schedule() -> None:
    """Manage schedules. A schedule creates a job at a set local time."""


def _list_schedules(answer: dict[str, Any]) -> str:
    return "\n".join(
        f"{one['id']:>6}  {one['state']:<8} {one['mode']:<7} {one['name']}\n"
        f"        {one['words']} {one['next_run_words']}"
        for one in answer["schedules"]
    ) or "There are no schedules."  # fmt: skip


@user_command(_list_schedules, name="list", group=schedule)
def list_schedules(api: Api) -> Any:
    """List the schedules, what each does and its next run."""
    return api.get("/schedules")


def _describe_schedule(one: dict[str, Any]) -> str:
    one = {
        **one,
        "filter": " ".join(f"{name}={value}" for name, value in one["filter"].items()),
        "mail_to": ", ".join(one["mail_to"]),
    }
    shown = ("name", "state", "stopped_words", "next_run_words", "filter", "note", "late_minutes", "mail_to")
    rows = (f"  {name.removesuffix('_words').replace('_', ' ')}: {one[name]}" for name in shown if one[name])
    return "\n".join([one["words"], *rows])


@user_command(_describe_schedule, group=schedule)
@schedule_argument
def show(api: Api, schedule_id: int) -> Any:
    """Show a schedule."""
    return api.get(f"/schedules/{schedule_id}")


def _describe_estimate(seen: dict[str, Any]) -> str:
    total = format_cents(seen["insurance_cents"] + seen["patient_cents"])
    would = f"It would settle {seen['will_settle']:,} of {counted(seen['claims'], 'claim')} and write off {total}."
    over = (f"  It would need another user's approval: {words}." for words in seen["over_words"])
    return "\n".join([*seen["notes"], would, *_codes(seen), *over])


@user_command(_describe_estimate, group=schedule)
@schedule_argument
def tonight(api: Api, schedule_id: int) -> Any:
    """Estimate what a schedule's next run would settle."""
    return api.get(f"/schedules/{schedule_id}/tonight")


def _run_date(run: dict[str, Any]) -> str:
    return formats.day(run["local_date"]) if run["local_date"] else "run now"


def _list_runs(answer: dict[str, Any]) -> str:
    return "\n".join(
        f"{run['id']:>6}  {_run_date(run):<10}  schedule {run['schedule_id']}  {run['words']}"
        for run in answer["schedule_runs"]
    ) or "There are no runs."  # fmt: skip


@user_command(_list_runs, group=schedule)
@click.argument("schedule_id", metavar="[SCHEDULE]", required=False, type=_SCHEDULE)
@click.option("--limit", type=click.IntRange(1, 1_000), default=30, show_default=True, help="Maximum number of runs.")
def runs(api: Api, schedule_id: int | None, limit: int) -> Any:
    """List runs and their results, newest first.

    Without SCHEDULE, list the runs of all schedules.
    """
    return api.get_all("/schedule-runs", "schedule_runs", most=limit, schedule_id=schedule_id)


def _describe_run(run: dict[str, Any]) -> str:
    lines = [run["words"]]
    if run["settle_job_id"]:
        insurance, patient = format_cents(run["insurance_cents"]), format_cents(run["patient_cents"])
        lines.append(f"  Job {run['settle_job_id']}: insurance {insurance}, patient {patient}.")
    return "\n".join([*lines, *_codes(run)])


@user_command(_describe_run, group=schedule)
@click.argument("run_id", metavar="RUN", type=_RUN)
def report(api: Api, run_id: int) -> Any:
    """Show a run's report."""
    return api.get(f"/schedule-runs/{run_id}")


def _codes(counts: dict[str, Any]) -> list[str]:
    return [f"  {one['claims']:>10,}  {one['code']}: {one['words']}" for one in counts["by_code"]]

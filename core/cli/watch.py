"""`settle watch`: follow a job until it stops."""

import time
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn

from core.cli import options
from core.cli.client import Api
from core.cli.job_output import job_title
from core.cli.user_command import user_command
from core.enums.jobs import IN_PROGRESS_STATUSES, JobStatus
from core.money import format_cents

POLL_SECONDS: Final = 0.5
# What each kind of job did to the dollars.
_MOVED: Final = {"settle": "written off", "reverse": "restored"}


def _describe(seen: dict[str, Any]) -> str:
    moved = _MOVED.get(seen["kind"])
    money = f"; {format_cents(sum(seen['written_off_cents'].values()))} {moved}" if moved else ""
    return f"{job_title(click.get_current_context().params['job'], seen['name'])}: {seen['words']}{money}."


@user_command(_describe, succeeds=lambda seen: seen["status"] == JobStatus.COMPLETED and seen["settled"] > 0)
@options.job_argument
def watch(api: Api, job: int) -> Any:
    """Show a job's progress until it stops. The exit code is 0 only if the job completed and settled a claim.

    If the server restarts meanwhile, the command waits up to a minute for it.
    """
    path = f"/settle-jobs/{job}/progress"
    seen = api.get(path)  # before the bar, so that a refusal is printed without it
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,} of {task.total:,} claims"))
    with Bar(*columns, console=Console(stderr=True), disable=click.get_current_context().params["as_json"]) as bar:
        task = bar.add_task("", total=1)
        while True:
            words = "reconciling" if seen["reconciling"] else seen["status_words"]
            bar.update(task, description=words, completed=seen["total"] - seen["remaining"], total=seen["total"])
            if seen["status"] not in IN_PROGRESS_STATUSES:
                return seen
            time.sleep(POLL_SECONDS)
            seen = api.poll(path)


COMMANDS = [watch]

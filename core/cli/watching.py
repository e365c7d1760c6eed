"""`settle watch`: a job until it rests."""

import json
import time
from collections.abc import Callable
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn
from sqlalchemy import select

from core.cli import acting, context
from core.db.engine import Sessions
from core.errors import NotFound
from core.jobs import progress
from core.jobs.keys import JobKey
from core.jobs.lifecycle import FINAL_STATUSES
from core.jobs.models import JobStatus, SettleJob
from core.money import format_cents

WATCH_SECONDS: Final = 0.5
_AT_REST: Final = (
    *FINAL_STATUSES,
    JobStatus.PAUSED,
    JobStatus.HALTED,
    JobStatus.PREVIEWED,
)


@click.command()
@acting.job_argument
@acting.json_option
def watch(job: int, as_json: bool) -> None:
    """Follow a job until it rests; exit 0 if it completed."""
    with acting.sessions() as sessions:
        key = _key(sessions, job)
        seen = _follow(sessions, key) if not as_json else _wait(sessions, key, lambda _: None)
    if as_json:
        click.echo(json.dumps(progress.as_json(seen)))
    else:
        money = f"{format_cents(seen.insurance_cents + seen.patient_cents)} written off"
        counts = (
            f"{seen.settled:,} settled, {seen.skipped:,} skipped, {seen.failed:,} failed, {seen.remaining:,} remaining"
        )
        click.echo(f"Job {job} is {seen.status.value}: {counts}; {money}.")
    click.get_current_context().exit(0 if seen.status is JobStatus.COMPLETED else 1)


def _key(sessions: Sessions, job_id: int) -> JobKey:
    with sessions() as session:
        practice_id = session.scalar(select(SettleJob.practice_id).where(SettleJob.id == job_id))
    if practice_id is None:
        raise NotFound(f"There is no job {job_id}.")
    return JobKey(practice_id, job_id)


def _follow(sessions: Sessions, key: JobKey) -> progress.Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} of {task.total:,} claims"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=1)

        def show(seen: progress.Progress) -> None:
            bar.update(
                task,
                description=seen.status.value,
                completed=seen.done,
                total=seen.total,
            )

        return _wait(sessions, key, show)


def _wait(sessions: Sessions, key: JobKey, show: Callable[[progress.Progress], None]) -> progress.Progress:
    while True:
        with sessions() as session:
            seen = progress.of_job(session, key, now=context.utc_now())
        show(seen)
        if seen.status in _AT_REST:
            return seen
        time.sleep(WATCH_SECONDS)


COMMANDS = [watch]

"""`settle watch`: follow a job until it stops."""

import json
import time
from collections.abc import Callable
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn
from sqlalchemy import select

from core.cli import context, options
from core.db.engine import Sessions
from core.errors import NotFound
from core.jobs import codes
from core.jobs.keys import JobKey
from core.jobs.results import outcome_sentences, progress
from core.models.jobs import IN_PROGRESS_STATUSES, JobKind, JobStatus, SettleJob
from core.money import format_cents

POLL_SECONDS: Final = 0.5
# What each kind of job did to the dollars.
_MOVED: Final = {JobKind.SETTLE: "written off", JobKind.STATUS: "", JobKind.REVERSE: "restored"}


@click.command()
@options.job_argument
@options.json_option
def watch(job: int, as_json: bool) -> None:
    """Show a job's progress until it stops. Exit code 0 only if it completed."""
    with options.sessions() as sessions:
        key, kind = _find_job(sessions, job)
        seen = _show_progress_bar(sessions, key) if not as_json else _poll_until_stopped(sessions, key, lambda _: None)
    if as_json:
        click.echo(json.dumps({**progress.as_json(seen), "words": outcome_sentences.sentence(seen, kind)}))
    else:
        but = f", but no claim was {codes.DONE_WORDS[kind]}" if outcome_sentences.did_nothing(seen) else ""
        click.echo(f"Job {job} is {codes.status_words(seen.status)}{but}: {_describe_counts(seen, kind)}.")
    click.get_current_context().exit(0 if seen.status is JobStatus.COMPLETED else 1)


def _find_job(sessions: Sessions, job_id: int) -> tuple[JobKey, JobKind]:
    with sessions() as session:
        found = session.execute(select(SettleJob.practice_id, SettleJob.kind).where(SettleJob.id == job_id))
        row = found.one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return JobKey(row.practice_id, job_id), row.kind


def _describe_counts(seen: progress.Progress, kind: JobKind) -> str:
    """Return the counts of its claims in the words of its kind."""
    done, moved = codes.DONE_WORDS[kind], _MOVED[kind]
    counts = f"{seen.settled:,} {done}, {seen.skipped:,} skipped, {seen.failed:,} failed, {seen.remaining:,} remaining"
    return f"{counts}; {format_cents(seen.insurance_cents + seen.patient_cents)} {moved}" if moved else counts


def _show_progress_bar(sessions: Sessions, key: JobKey) -> progress.Progress:
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
                description="reconciling" if seen.reconciling else codes.status_words(seen.status),
                completed=seen.done,
                total=seen.total,
            )

        return _poll_until_stopped(sessions, key, show)


def _poll_until_stopped(
    sessions: Sessions, key: JobKey, show: Callable[[progress.Progress], None]
) -> progress.Progress:
    while True:
        with sessions() as session:
            seen = progress.for_job(session, key, now=context.utc_now())
        show(seen)
        if seen.status not in IN_PROGRESS_STATUSES:
            return seen
        time.sleep(POLL_SECONDS)


COMMANDS = [watch]

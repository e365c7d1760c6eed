"""`settle operations`: processes, jobs and warnings of the whole installation."""

import json

import click

from core.cli import context, database, options
from core.jobs import codes
from core.watch import overview, overview_json
from core.watch.overview import Overview, ProcessStatus
from core.watch.warnings import warnings


@click.command()
@options.json_option
def operations(as_json: bool) -> None:
    """Show processes, jobs and warnings.

    All practices are included. The exit code is 0 only if there is no warning. The command reads only the database.
    The Operations page also shows the broker's queue depth.
    """
    with database.sessions() as sessions:
        seen = overview.fetch_overview(sessions, now=context.utc_now())
    wrong = warnings(seen)
    click.echo(json.dumps({**overview_json.as_json(seen), "wrong": wrong}) if as_json else _in_words(seen, wrong))
    click.get_current_context().exit(1 if wrong else 0)


def _in_words(seen: Overview, wrong: list[str]) -> str:
    lines = [*wrong, *([""] if wrong else []), *map(_process, seen.processes or ()), *_jobs(seen)]
    lines.append(f"zones    time zone database {seen.time_zones.words}")
    for code, count in (seen.failures or {}).items():
        lines.append(f"failed   {count:,} in the last 24 hours: {codes.describe(code)}")
    return "\n".join(lines)


def _process(one: ProcessStatus) -> str:
    state = "alive" if one.is_alive else "stopped" if one.has_stopped else "SILENT"
    at_work = ", ".join(f"job {chunk.job.job_id} from claim {chunk.first:,}" for chunk in one.doing)
    queues = f" {'+'.join(one.queues)}" if one.queues else ""
    doing = f"; working on {at_work}" if at_work else ""
    return f"{one.kind:8} {one.host}:{one.pid}{queues} {one.version} {state}, seen {one.seen_seconds:.0f} s ago{doing}"


def _jobs(seen: Overview) -> list[str]:
    if seen.jobs is None:
        return []
    lines = []
    for key, job in (*seen.jobs.moving.items(), *seen.jobs.resting.items()):
        rate = f", {job.rate_per_second:,.0f} claims/s" if job.rate_per_second else ""
        stalled = f", STALLED ({job.stalled_because})" if job.stalled_because else ""
        done = f"{job.done:,} of {job.total:,}"
        status = "reconciling" if job.reconciling else codes.status_words(job.status)
        lines.append(f"job      {key.job_id} in practice {key.practice_id}: {status}, {done}{rate}{stalled}")
    if seen.chunks is not None and seen.chunks.chunks:
        lines.append(f"chunks   {seen.chunks.chunks:,} open, oldest for {seen.chunks.oldest_seconds:.0f} s")
    return lines


COMMANDS = [operations]

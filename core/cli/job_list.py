"""List the practice's jobs."""

from typing import Any

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.enums.jobs import JobKind, JobStatus


def _format_jobs(answer: dict[str, Any]) -> str:
    return "\n".join(map(_line, answer["settle_jobs"])) or "No jobs match."


def _line(job: dict[str, Any]) -> str:
    claims = job["counts"]["claims"] if job["counts"] else job["claims_expected"]
    what = f"reverse job {job['reverses_job_id']}" if job["reverses_job_id"] else f"change to {job['target_status']}"
    by = f"requested by {job['requested_by'] or 'an unknown user'}"
    parts = [what, "" if claims is None else counted(claims, "claim"), job["status_words"], job["reason_name"]]
    name = f"  {job['name']}" if job["name"] else ""
    return f"{job['id']}  {formats.moment(job['requested_at'])}  {', '.join(filter(None, [*parts, by]))}{name}"


@user_command(_format_jobs, name="jobs")
@click.option("--name", help="Only jobs with this text in their name.")
@click.option(
    "--person", metavar="EMAIL", help="Only jobs that this user requested, confirmed, decided on or reversed."
)
@click.option("--status", type=options.choice(JobStatus), help="Only jobs in this status.")
@click.option("--kind", type=options.choice(JobKind), help="Only jobs of this kind.")
@click.option("--reason", metavar="CODE", help="Only jobs with this reason (see `settle reason list`).")
@click.option("--from", type=options.DAY, metavar="YYYY-MM-DD", help="First day, in the practice's time zone.")
@click.option("--to", type=options.DAY, metavar="YYYY-MM-DD", help="Last day, in the practice's time zone.")
@click.option("--amount-min", "amount_min_cents", type=options.DOLLARS, metavar="DOLLARS",
              help="Minimum amount written off, restored or previewed.")  # fmt: skip
@click.option("--amount-max", "amount_max_cents", type=options.DOLLARS, metavar="DOLLARS",
              help="Maximum amount written off, restored or previewed.")  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Show at most this many jobs."
)
def list_jobs(api: Api, limit: int, **wanted: Any) -> Any:
    """List the practice's jobs, newest first. Options narrow the list."""
    return api.get_all("/settle-jobs", "settle_jobs", most=limit, **wanted)


COMMANDS = [list_jobs]

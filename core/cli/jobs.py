"""Commands on a job: confirm, pause, resume, cancel, retry, discard."""

import json
import sys
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.cli import context, options
from core.db.engine import transaction
from core.jobs import codes, commands, job_queries
from core.jobs.approval import limits
from core.jobs.keys import JobKey
from core.jobs.preview import cost_share, stale
from core.jobs.preview.cost_share import CostShareReasonMissing
from core.models.jobs import JobStatus, SettleJob


@click.command()
@options.job_argument
@options.as_option
@click.option("--confirmation", help="The word CONFIRM. Without it, the command asks.")
@click.option(
    "--cost-share-reason",
    help="Reason for writing off Medicare or Medicaid cost sharing, if the job does. Without it, the command asks at "
    "a terminal and fails elsewhere.",
)
@options.json_option
def confirm(job: int, email: str, confirmation: str | None, cost_share_reason: str | None, as_json: bool) -> None:
    """Confirm a previewed job and run it. A job over a limit needs approval first."""
    reason, word = cost_share_reason, confirmation
    warn_of_changes(job, email)
    if reason is None and _at_terminal():
        reason = _prompt_for_cost_share_reason(job, email)
    if word is None:
        word = click.prompt("Type CONFIRM to run the job", err=as_json)

    def by_word(session: Session, key: JobKey, **who: Any) -> SettleJob:
        try:
            return commands.confirm(session, key, confirmation=word, cost_share_reason=reason or "", **who)
        except CostShareReasonMissing as missing:
            raise CostShareReasonMissing(f"{missing.message} Add: --cost-share-reason TEXT", **missing.facts) from None

    run_job_command(job, email, by_word, as_json=as_json)


def warn_of_changes(job_id: int, email: str) -> None:
    """Print before CONFIRM how many claims changed since the preview."""
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        job = job_queries.find(session, JobKey(by.practice_id, job_id))
        if changed := stale.describe(job, stale.count(session, job)):
            click.echo(changed, err=True)


def _at_terminal() -> bool:
    """Return whether a user can be asked. A program pipes in only the word CONFIRM."""
    return sys.stdin.isatty()


def _prompt_for_cost_share_reason(job_id: int, email: str) -> str | None:
    """Ask for the reason if the job writes off cost sharing. Return None if it does not."""
    with options.sessions() as sessions, sessions() as session:
        job = job_queries.find(session, JobKey(options.find_actor(session, email).practice_id, job_id))
        share = cost_share.as_previewed(job) if job.status is JobStatus.PREVIEWED else None
    if share is None:
        return None
    click.echo(f"{share.sentence()}.", err=True)
    reason: str = click.prompt(f"Reason for writing off {share.name}", err=True)
    return reason


def run_job_command(
    job_id: int,
    email: str,
    act: Callable[..., SettleJob],
    *,
    as_json: bool,
    **more: Any,
) -> None:
    """Run `act` on the job for that user, and print the job's status after."""
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email)
        job = act(
            session,
            JobKey(by.practice_id, job_id),
            by=by,
            now=context.utc_now(),
            **more,
        )
        facts, status = {"id": str(job.id), "status": job.status.value}, codes.status_words(job.status)
        waits_because = limits.describe(job.limits_exceeded) if job.status is JobStatus.AWAITING_APPROVAL else []
    click.echo(json.dumps(facts) if as_json else f"Job {job_id} is {status}.")
    if waits_because and not as_json:
        click.echo("It needs the approval of another user, an approver or administrator, because it is over a limit:")
        for one in waits_because:
            click.echo(f"  {one.sentence}")


def _job_command(name: str, act: Callable[..., SettleJob], help_: str) -> click.Command:
    @click.command(name, help=help_)
    @options.job_argument
    @options.as_option
    @options.json_option
    def command(job: int, email: str, as_json: bool) -> None:
        run_job_command(job, email, act, as_json=as_json)

    return command


@click.command("retry-failed")
@options.job_argument
@options.as_option
@click.option("--code", help="Only claims that failed with this code.")
@options.json_option
def retry_failed(job: int, email: str, code: str | None, as_json: bool) -> None:
    """Retry a job's failed claims."""
    run_job_command(job, email, commands.retry_failed, as_json=as_json, code=code)


COMMANDS = [
    confirm,
    retry_failed,
    _job_command("pause", commands.pause, "Pause a running job. Resume it with `settle resume`."),
    _job_command("resume", commands.resume, "Resume a paused or halted job."),
    _job_command("cancel", commands.cancel, "Cancel a confirmed job. Claims that are already settled stay settled."),
    _job_command("discard", commands.discard, "Discard a preview that was not confirmed or approved."),
]

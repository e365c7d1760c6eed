"""Approvals: list the jobs that need one, approve, reject."""

import json
from typing import Any

import click
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.cli import context, job_output, options
from core.cli.jobs import run_job_command, warn_of_changes
from core.jobs import commands, job_queries
from core.jobs.approval import decide, inbox, limits, requesters
from core.jobs.keys import JobKey
from core.jobs.preview import stale
from core.models.jobs import JobStatus, SettleJob
from core.money import format_cents


@click.command()
@options.job_argument
@options.as_option
@click.option("--confirmation", help="The word CONFIRM. Without it, the command shows the preview and asks.")
@options.json_option
def approve(job: int, email: str, confirmation: str | None, as_json: bool) -> None:
    """Approve a job that exceeds a limit. To see what it would do, run `settle show`."""
    if confirmation is not None:
        warn_of_changes(job, email)
    word = _prompt_for_confirmation(job, email) if confirmation is None else confirmation

    def by_word(session: Session, key: JobKey, **who: Any) -> SettleJob:
        return commands.approve(session, key, confirmation=word, **who)

    run_job_command(job, email, by_word, as_json=as_json)


def _prompt_for_confirmation(job_id: int, email: str) -> str:
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        found = job_queries.find(session, JobKey(by.practice_id, job_id))
        click.echo(job_output.format_preview(session, found), err=True)  # standard output is for the result
    word: str = click.prompt("Type CONFIRM to approve", err=True)
    return word


@click.command()
@options.job_argument
@options.as_option
@click.option("--reason", required=True, help="Reason for rejecting (shown to the requester).")
@options.json_option
def reject(job: int, email: str, reason: str, as_json: bool) -> None:
    """Reject a job that needs approval. No claim is changed."""

    def with_reason(session: Session, key: JobKey, **who: Any) -> SettleJob:
        return commands.reject(session, key, reason=reason, **who)

    run_job_command(job, email, with_reason, as_json=as_json)


@click.command()
@options.as_option
@options.json_option
def approvals(email: str, as_json: bool) -> None:
    """List jobs that need approval.

    Show the jobs that you may approve, your own jobs that need approval, and last week's decisions on your jobs.
    """
    with options.sessions() as sessions, sessions() as session:
        by, now = options.find_actor(session, email), context.utc_now()
        lists = {
            "waiting_for_me": inbox.jobs_to_approve(session, by, now=now),
            "waiting_for_others": inbox.my_jobs_awaiting_approval(session, by),
            "decided": inbox.my_decided_jobs(session, by, now=now),
        }
        people = {
            one for jobs in lists.values() for job in jobs for one in (requesters.accountable_user(job), job.decided_by)
        }
        names = job_queries.names_of_users(session, by.practice_id, people)
        facts = {what: [_job_facts(session, job, names) for job in jobs] for what, jobs in lists.items()}
    click.echo(json.dumps(facts) if as_json else _format_lists(facts))


def _job_facts(session: Session, job: SettleJob, names: dict[int, str]) -> dict[str, Any]:
    expires_at, changed = decide.expires_at(job), stale.count(session, job)
    return {
        "id": str(job.id),
        "status": job.status.value,
        "asked_by": names.get(requesters.accountable_user(job)),
        "asked_at": job.approval_requested_at.isoformat() if job.approval_requested_at else None,
        "expires_at": expires_at.isoformat() if expires_at else None,
        "cents": limits.write_off_total(job),
        "changed_since_preview": changed,
        "changed_words": stale.describe(job, changed),
        "over": [one.model_dump() | {"sentence": one.sentence} for one in limits.describe(job.limits_exceeded)],
        "decided_by": names.get(job.decided_by or 0),
        "decided_at": job.decided_at.isoformat() if job.decided_at else None,
        "reason": job.decision_note or None,
    }


def _format_lists(facts: dict[str, list[dict[str, Any]]]) -> str:
    lines = []
    for what, heading in (
        ("waiting_for_me", "Needs your approval"),
        ("waiting_for_others", "Your jobs that need approval"),
    ):
        lines.append(f"{heading}: {len(facts[what]) or 'none'}")
        for job in facts[what]:
            until = f"requested by {job['asked_by']}, expires {job['expires_at'][:16].replace('T', ' ')} UTC"
            lines.append(f"  Job {job['id']}: {format_cents(job['cents'])}, {until}")
            lines += [f"    {one['sentence']}" for one in job["over"]]
            lines += [f"    {job['changed_words']}"] if job["changed_words"] else []
    lines += [f"Decided: {_describe_decision(job)}" for job in facts["decided"]]
    return "\n".join(lines)


def _describe_decision(job: dict[str, Any]) -> str:
    if job["decided_by"] is None:
        return f"job {job['id']} expired because it was not approved within 7 days"
    if job["status"] == JobStatus.DISCARDED:
        return f"job {job['id']} was discarded by {job['decided_by']}"
    if job["reason"] is None:
        return f"job {job['id']} was approved by {job['decided_by']}"
    return f"job {job['id']} was rejected by {job['decided_by']}: {job['reason']}"


COMMANDS = [approve, reject, approvals]

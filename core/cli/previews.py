"""Preview a job: a settlement, a status change or a reversal. No claim is changed."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from core.access.permissions import Action, Actor
from core.claims.filters import ClaimFilter
from core.cli import context, job_output, options
from core.cli.watch import POLL_SECONDS
from core.db.engine import Sessions, transaction
from core.jobs import commands, job_queries, prepare
from core.jobs.keys import JobKey
from core.jobs.preview.job_request import JobRequest
from core.models.jobs import JobStatus, SettleJob
from core.models.ledger import WriteOffReason
from core.policy.rules import OVERRIDABLE_CODES
from core.practices.periods import PeriodClosed

_posting_date_option = click.option(
    "--posting-date",
    type=click.DateTime(["%Y-%m-%d"]),
    callback=lambda _context, _option, given: given and given.date(),
    metavar="YYYY-MM-DD",
    help="Posting date: today, or the next open date if this month is closed.  [default: today]",
)


@click.command()
@click.option("--practice", required=True, metavar="NAME")
@options.as_option
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Claims that match. Repeat a KEY to match any of its values.",
)
@click.option("--claim", "claims", multiple=True, metavar="ID", help="A claim. Repeat for more claims.")
@click.option("--all", "every", is_flag=True, help="All claims of the practice.")
@click.option(
    "--to",
    "target",
    default="Settled",
    show_default=True,
    metavar="STATUS",
    help="The new billing status.",
)
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in WriteOffReason]),
    help="Reason for the write-off. Required for Settled.",
)
@click.option("--note", default="", help="Note, saved with every write-off in the ledger.")
@click.option(
    "--include",
    multiple=True,
    type=click.Choice(OVERRIDABLE_CODES),
    help="Override a skip rule, if your role allows it. Repeat for more rules.",
)
@_posting_date_option
@options.json_option
def preview(
    practice: str,
    email: str,
    filters: tuple[str, ...],
    claims: tuple[str, ...],
    every: bool,
    target: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Preview what a job will do to each claim.

    Nothing changes until `settle confirm`.
    """
    if [every, bool(filters), bool(claims)].count(True) != 1:
        raise click.UsageError(
            "Select claims with --filter KEY=VALUE or --claim ID (each may be repeated), or with --all."
        )
    request = JobRequest.of(
        {
            "target_status": target,
            "selection": _selection(filters, claims),
            **given,
            "include": list(given["include"]),
        }
    )

    def ask(session: Session, **who: Any) -> SettleJob:
        return commands.request_preview(session, request, **who)

    _print_preview(ask, email=email, practice=practice, as_json=as_json)


def _selection(filters: tuple[str, ...], claims: tuple[str, ...]) -> dict[str, Any]:
    if claims:
        return {"claim_ids": list(dict.fromkeys(claims))}
    return {"filter": ClaimFilter.from_texts(options.parse_filters(filters)).given()} if filters else {"all": True}


@click.command()
@options.job_argument
@options.as_option
@click.option("--claim", "claims", multiple=True, metavar="ID", help="Only this claim. Repeat for more claims.")
@click.option("--note", default="", help="Note, saved with the reversal.")
@_posting_date_option
@options.json_option
def reverse(job: int, email: str, claims: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Preview the reversal of a job.

    Nothing changes until `settle confirm` of the reversal. Payments that arrived after the write-off stay: only the
    rest of the write-off is reversed. Claims with other later changes are skipped until those changes are undone.
    """

    def ask(session: Session, *, by: Actor, **who: Any) -> SettleJob:
        key = JobKey(by.practice_id, job)
        return commands.request_reversal(session, key, claim_ids=list(claims) or None, by=by, **given, **who)

    _print_preview(ask, email=email, as_json=as_json)


def _print_preview(ask: Callable[..., SettleJob], *, email: str, as_json: bool, practice: str | None = None) -> None:
    """Create the job with `ask`, prepare it here if it is large, and print its preview."""
    with options.sessions() as sessions:
        with transaction(sessions) as session:
            by = options.find_actor(session, email, practice)
            try:
                job = ask(session, by=by, idempotency_key=secrets.token_urlsafe(16), now=context.utc_now())
            except PeriodClosed as refused:
                cure = f"To post on that date, add: --posting-date {refused.facts['next_open_date']}"
                raise PeriodClosed(f"{refused.message} {cure}", **refused.facts) from None
        job = _wait_until_prepared(sessions, JobKey(job.practice_id, job.id))
        with sessions() as session:
            click.echo(_format_preview(session, job, as_json=as_json))


def _wait_until_prepared(sessions: Sessions, key: JobKey) -> SettleJob:
    """Return the previewed job. A command can wait for a preview that is too large for a web request."""
    while True:
        with sessions() as session:
            job = session.get_one(SettleJob, key)
        if job.status is not JobStatus.PREPARING:
            return job
        with transaction(sessions) as session:
            if prepare.prepare(session, key, now=context.utc_now()):
                continue
        time.sleep(POLL_SECONDS)  # a worker is already preparing it


@click.command()
@options.job_argument
@options.as_option
@options.json_option
def show(job: int, email: str, as_json: bool) -> None:
    """Show a job's frozen preview.

    It has counts, dollars, skip rules, limits and requesters.
    """
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        found = job_queries.find(session, JobKey(by.practice_id, job))
        click.echo(_format_preview(session, found, as_json=as_json))


def _format_preview(session: Session, job: SettleJob, *, as_json: bool) -> str:
    return json.dumps(job_output.preview_facts(session, job)) if as_json else job_output.format_preview(session, job)


COMMANDS = [preview, reverse, show]

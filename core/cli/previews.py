"""Jobs begin with a preview: of settling, of another status, of taking a job back. None of it changes a claim."""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any

import click
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.claims.filters import ClaimFilter
from core.cli import acting, context
from core.cli.watching import WATCH_SECONDS
from core.counting import counted
from core.db.engine import Sessions, transaction
from core.jobs import codes, commands, limits, prepare
from core.jobs.keys import JobKey
from core.jobs.models import JobKind, JobStatus, SettleJob
from core.jobs.requests import JobRequest
from core.jobs.totals import PreviewTotals
from core.ledger.models import WriteOffReason
from core.money import format_cents
from core.policy.rules import MAY_INCLUDE


@click.command()
@click.option("--practice", required=True, metavar="NAME")
@acting.as_option
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Which claims; a key twice means any of both.",
)
@click.option("--claim", "claims", multiple=True, metavar="ID", help="This claim; as often as needed.")
@click.option("--all", "every", is_flag=True, help="Every claim of the practice.")
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
    help="Why; asked for when the target is Settled.",
)
@click.option("--note", default="", help="Kept with the job.")
@click.option(
    "--include",
    multiple=True,
    type=click.Choice(MAY_INCLUDE),
    help="Override a rule, if your role may.",
)
@acting.json_option
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
    """Show what settling would do to each claim; nothing happens until `settle confirm`."""
    if [every, bool(filters), bool(claims)].count(True) != 1:
        raise click.UsageError("Give --filter KEY=VALUE or --claim ID (as often as needed), or --all for every claim.")
    request = JobRequest.of(
        {
            "target_status": target,
            "selection": _selection(filters, claims),
            **given,
            "include": list(given["include"]),
        }
    )

    def ask(session: Session, **who: Any) -> SettleJob:
        return commands.preview(session, request, **who)

    _preview(ask, email=email, practice=practice, as_json=as_json)


def _selection(filters: tuple[str, ...], claims: tuple[str, ...]) -> dict[str, Any]:
    if claims:
        return {"claim_ids": list(dict.fromkeys(claims))}
    return {"filter": ClaimFilter.of_texts(acting.filter_of(filters)).given()} if filters else {"all": True}


@click.command()
@acting.job_argument
@acting.as_option
@click.option("--claim", "claims", multiple=True, metavar="ID", help="Only this claim; as often as needed.")
@click.option("--note", default="", help="Kept with the reversal.")
@acting.json_option
def reverse(job: int, email: str, claims: tuple[str, ...], note: str, as_json: bool) -> None:
    """Show what taking a job back would do; nothing happens until `settle confirm` of the job that this makes."""

    def ask(session: Session, *, by: Actor, **who: Any) -> SettleJob:
        key = JobKey(by.practice_id, job)
        return commands.reverse(session, key, claim_ids=list(claims) or None, note=note, by=by, **who)

    _preview(ask, email=email, as_json=as_json)


def _preview(ask: Callable[..., SettleJob], *, email: str, as_json: bool, practice: str | None = None) -> None:
    """Make the job that `ask` asks for, prepare it here where it is too large for a request, and print its preview."""
    with acting.sessions() as sessions:
        with transaction(sessions) as session:
            by = acting.actor(session, email, practice)
            job = ask(session, by=by, idempotency_key=secrets.token_urlsafe(16), now=context.utc_now())
        job = _prepared(sessions, JobKey(job.practice_id, job.id))
    totals = PreviewTotals.model_validate(job.preview)
    facts = {"id": str(job.id), "status": job.status.value, **totals.model_dump(mode="json")}
    click.echo(json.dumps(facts) if as_json else _preview_words(job, totals))


def _prepared(sessions: Sessions, key: JobKey) -> SettleJob:
    """The job with its preview: too many claims for a web request are not too many for a command."""
    while True:
        with sessions() as session:
            job = session.get_one(SettleJob, key)
        if job.status is not JobStatus.PREPARING:
            return job
        with transaction(sessions) as session:
            if prepare.prepare(session, key, now=context.utc_now()):
                continue
        time.sleep(WATCH_SECONDS)  # a worker was quicker, and is at it


def _preview_words(job: SettleJob, totals: PreviewTotals) -> str:
    if job.kind is JobKind.REVERSE:
        begins, moves = f"Job {job.id} takes back job {job.reverses_job_id}", "will be as before"
        verb = "answering"
    else:
        begins, moves = f"Job {job.id}", f"will move to {job.target_status}"
        verb = "posting"
    money = (
        f", {verb} {counted(totals.write_offs, 'write-off')} of "
        f"{format_cents(totals.insurance_cents + totals.patient_cents)} "
        f"(insurance {format_cents(totals.insurance_cents)}, patient {format_cents(totals.patient_cents)})"
        if totals.write_offs
        else ""
    )
    lines = [f"{begins}: {counted(totals.claims, 'claim')}; {totals.will_settle:,} {moves}{money}."]
    lines += [
        f"  {count.claims:>10,}  {count.action}  {count.code}: {codes.words(count.code)}" for count in totals.by_code
    ]
    if totals.in_other_jobs:
        are = "is" if totals.in_other_jobs == 1 else "are"
        lines.append(
            f"  {totals.in_other_jobs:,} of them {are} in another open job too; whichever comes first settles them."
        )
    if job.over:
        lines.append("  It is over a limit: after CONFIRM it waits for another person.")
        lines += [f"    {one.sentence}" for one in limits.told(job.over)]
    return "\n".join(lines)


COMMANDS = [preview, reverse]

"""The main job by command: preview, confirm, watch, and what may be done to a job meanwhile."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.access.users import actor_for, find_by_email
from core.cli import context
from core.db.engine import Sessions, make_sessions, transaction
from core.errors import NotFound
from core.jobs import codes, commands, prepare, progress
from core.jobs.keys import JobKey
from core.jobs.lifecycle import FINAL_STATUSES
from core.jobs.models import JobStatus, SettleJob
from core.jobs.preview import PreviewTotals
from core.jobs.requests import JobRequest
from core.ledger.models import WriteOffReason
from core.money import format_cents
from core.policy.rules import MAY_INCLUDE
from core.practices.models import Practice

WATCH_SECONDS: Final = 0.5
_AT_REST: Final = (
    *FINAL_STATUSES,
    JobStatus.PAUSED,
    JobStatus.HALTED,
    JobStatus.PREVIEWED,
)

_as_option = click.option("--as", "email", required=True, metavar="EMAIL", help="Who does it.")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print facts for programs.")


@contextmanager
def _sessions() -> Iterator[Sessions]:
    with context.database() as engine:
        yield make_sessions(engine)


def _actor(session: Session, email: str, practice: str | None = None) -> Actor:
    user = find_by_email(session, email)
    if user is None or not user.active:
        raise NotFound(
            f"There is no active user {email}; add one with: settle user add {email} --practice NAME --role biller"
        )
    if practice is not None:
        practice_id = session.scalar(select(Practice.id).where(Practice.name == practice))
        if practice_id != user.practice_id:
            raise NotFound(f"{email} does not belong to a practice called {practice!r}.")
    return actor_for(user)


@click.command()
@click.option("--practice", required=True, metavar="NAME")
@_as_option
@click.option(
    "--filter",
    "filters",
    multiple=True,
    metavar="KEY=VALUE",
    help="Which claims; a key twice means any of both.",
)
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
@_json_option
def preview(
    practice: str,
    email: str,
    filters: tuple[str, ...],
    every: bool,
    target: str,
    as_json: bool,
    **given: Any,
) -> None:
    """Show what settling would do to each claim; nothing happens until `settle confirm`."""
    if every == bool(filters):
        raise click.UsageError("Give --filter KEY=VALUE (as often as needed), or --all for every claim.")
    selection = {"all": True} if every else {"filter": _filter(filters)}
    request = JobRequest.of(
        {
            "target_status": target,
            "selection": selection,
            **given,
            "include": list(given["include"]),
        }
    )
    with _sessions() as sessions:
        with transaction(sessions) as session:
            by = _actor(session, email, practice)
            key = secrets.token_urlsafe(16)
            job = commands.preview(session, request, by=by, idempotency_key=key, now=context.utc_now())
        if job.status is JobStatus.PREPARING:  # too many for a web request, not for a command
            with transaction(sessions) as session:
                prepare.prepare(session, JobKey(job.practice_id, job.id), now=context.utc_now())
        with sessions() as session:
            job = session.get_one(SettleJob, (job.practice_id, job.id))
    totals = PreviewTotals.model_validate(job.preview)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "id": str(job.id),
                    "status": job.status.value,
                    **totals.model_dump(mode="json"),
                }
            )
        )
    else:
        click.echo(_preview_words(job, totals))


def _filter(pairs: tuple[str, ...]) -> dict[str, Any]:
    given: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise click.UsageError(f"--filter {pair}: write KEY=VALUE, such as total_due_max_cents=5000")
        given.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in given.items()}


def _preview_words(job: SettleJob, totals: PreviewTotals) -> str:
    money = (
        f", posting {totals.write_offs:,} write-offs of {format_cents(totals.insurance_cents + totals.patient_cents)} "
        f"(insurance {format_cents(totals.insurance_cents)}, patient {format_cents(totals.patient_cents)})"
        if totals.write_offs
        else ""
    )
    lines = [f"Job {job.id}: {totals.claims:,} claims; {totals.will_settle:,} will move to {job.target_status}{money}."]
    lines += [
        f"  {count.claims:>10,}  {count.action}  {count.code}: {codes.words(count.code)}" for count in totals.by_code
    ]
    if totals.in_other_jobs:
        lines.append(
            f"  {totals.in_other_jobs:,} of them are in another open job too; whichever comes first settles them."
        )
    return "\n".join(lines)


@click.command()
@click.argument("job", type=int)
@_as_option
@click.option(
    "--confirmation",
    prompt="Type CONFIRM to settle",
    help="The word CONFIRM; asked for without it.",
)
@_json_option
def confirm(job: int, email: str, confirmation: str, as_json: bool) -> None:
    """Let a previewed job run."""

    def by_word(session: Session, key: JobKey, **who: Any) -> SettleJob:
        return commands.confirm(session, key, confirmation=confirmation, **who)

    _command(job, email, by_word, as_json=as_json)


def _command(
    job_id: int,
    email: str,
    act: Callable[..., SettleJob],
    *,
    as_json: bool,
    **more: Any,
) -> None:
    with _sessions() as sessions, transaction(sessions) as session:
        by = _actor(session, email)
        job = act(
            session,
            JobKey(by.practice_id, job_id),
            by=by,
            now=context.utc_now(),
            **more,
        )
        facts = {"id": str(job.id), "status": job.status.value}
    click.echo(json.dumps(facts) if as_json else f"Job {job_id} is {facts['status']}.")


def _act(name: str, act: Callable[..., SettleJob], help_: str) -> click.Command:
    @click.command(name, help=help_)
    @click.argument("job", type=int)
    @_as_option
    @_json_option
    def command(job: int, email: str, as_json: bool) -> None:
        _command(job, email, act, as_json=as_json)

    return command


@click.command("retry-failed")
@click.argument("job", type=int)
@_as_option
@click.option("--code", help="Only the claims that failed with this code.")
@_json_option
def retry_failed(job: int, email: str, code: str | None, as_json: bool) -> None:
    """Try a job's failed claims again."""
    _command(job, email, commands.retry_failed, as_json=as_json, code=code)


@click.command()
@click.argument("job", type=int)
@_json_option
def watch(job: int, as_json: bool) -> None:
    """Follow a job until it rests; exit 0 if it completed."""
    with _sessions() as sessions:
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


COMMANDS = [
    preview,
    confirm,
    watch,
    retry_failed,
    _act("pause", commands.pause, "Pause a job: no chunk is begun from now on."),
    _act("resume", commands.resume, "Let a paused or halted job go on."),
    _act(
        "cancel",
        commands.cancel,
        "End a job where it is; what is settled stays settled.",
    ),
    _act("discard", commands.discard, "Give up a preview."),
]

"""The files of a job: settled, not settled, not processed, and the reconciliation certificate."""

import datetime as dt
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from core.access.permissions import Action
from core.cli import context, options
from core.counting import counted
from core.db.engine import transaction
from core.jobs import codes
from core.jobs.keys import JobKey
from core.jobs.results import certificates, files
from core.jobs.results.certificates import Certificate, Money
from core.jobs.results.files import File
from core.models.jobs import JobKind
from core.money import format_cents
from core.practices.practice_queries import find
from core.schedules.descriptions import clock

_WRITERS: Final[dict[str, Callable[..., Iterable[Any]]]] = {"csv": files.csv_file, "xlsx": files.xlsx_file}


@click.command()
@options.job_argument
@click.argument("file", type=click.Choice([file.value for file in File]))
@options.as_option
@click.option(
    "--format", "form", type=click.Choice(list(_WRITERS)), default="csv", show_default=True, help="File format."
)
@click.option(
    "--output", "path", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write, or - for standard output.  [default: job-JOB-FILE.FORMAT]",
)  # fmt: skip
def download(job: int, file: str, email: str, form: str, path: Path | None) -> None:
    """Write a job's claims to a file.

    Choose the claims that were settled, not settled (with reasons), or not reached (not processed).
    """
    wanted = File(file)
    with options.sessions() as sessions:
        with transaction(sessions) as session:
            by = options.find_actor(session, email)
            key = JobKey(by.practice_id, job)
            files.authorize_download(session, key, wanted, by=by, now=context.utc_now())
        with sessions() as session:
            pieces = _WRITERS[form](session, key, wanted)
            if path == Path("-"):
                for piece in pieces:
                    click.echo(_as_bytes(piece), nl=False)
                return
            target = path or Path(files.file_name(key, wanted, form))
            _write(target, pieces)
    click.echo(f"Wrote {target}.")


def _write(path: Path, pieces: Iterable[str | bytes]) -> None:
    # Write under another name first, so that a partial file is never taken for a complete one.
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            for piece in pieces:
                file.write(_as_bytes(piece))
        partial.replace(path)
    except OSError as error:
        raise click.FileError(str(path), error.strerror) from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _as_bytes(piece: str | bytes) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


@click.command()
@options.job_argument
@options.as_option
@options.json_option
def certificate(job: int, email: str, as_json: bool) -> None:
    """Print the reconciliation certificate of a job.

    The job must be finished. Exit code 0 only if it reconciles.
    """
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        drawn_up = certificates.for_job(session, JobKey(by.practice_id, job))
        zone = ZoneInfo(find(session, by.practice_id).time_zone)
    click.echo(drawn_up.model_dump_json(indent=2) if as_json else _format_certificate(drawn_up, zone))
    click.get_current_context().exit(0 if drawn_up.reconciles else 1)


def _format_certificate(drawn_up: Certificate, zone: ZoneInfo) -> str:
    is_reversal = drawn_up.kind == JobKind.REVERSE
    what = f"a reversal of job {drawn_up.reverses_job_id}" if is_reversal else f"to {drawn_up.target_status}"
    done = "reversed" if is_reversal else "settled"
    counts = (
        f"{counted(drawn_up.total, 'claim')}: {drawn_up.settled:,} {done}, {drawn_up.skipped:,} skipped, "
        f"{drawn_up.failed:,} failed, {drawn_up.not_reached:,} not processed"
    )
    rows = [
        ("Practice", drawn_up.practice),
        ("Confirmed by", f"{drawn_up.confirmed_by}, {_moment(drawn_up.confirmed_at, zone)}"),
        *_approval(drawn_up, zone),
        *([("Reason", drawn_up.reason.replace("_", " "))] if drawn_up.reason else []),
        ("Setting", drawn_up.setting),
        *_cost_share(drawn_up),
        ("A/R before", _money(drawn_up.receivable_before)),
        ("Restored" if is_reversal else "Written off", _money(drawn_up.written_off)),
        ("A/R after", _money(drawn_up.receivable_after)),
        *_changes_since(drawn_up),
        *((f"  {count:>10,}", codes.describe(code)) for code, count in drawn_up.by_code.items()),
        ("Fingerprint", drawn_up.items_sha256),
        ("Reconciles", "yes" if drawn_up.reconciles else "NO"),
    ]
    head = f"Job {drawn_up.job_id}, {what}, is {codes.status_words(drawn_up.status)}. {counts}."
    return "\n".join([head, *(f"  {name:<20}{value}" for name, value in rows)])


def _approval(drawn_up: Certificate, zone: ZoneInfo) -> list[tuple[str, str]]:
    """Return the approver and the exceeded limits, if the job needed approval."""
    if drawn_up.approved_at is None:
        return []
    by = ("Approved by", f"{drawn_up.approved_by}, {_moment(drawn_up.approved_at, zone)}")
    return [by, *(("Over a limit", one.sentence) for one in drawn_up.over)]


def _changes_since(drawn_up: Certificate) -> list[tuple[str, str]]:
    """Return what happened to the write-offs after the job, if anything."""
    since = drawn_up.since
    if since is None or since.still_written_off_cents == since.written_off_cents:
        return []
    rows = [
        ("Reversed later", since.reversed_cents, ""),
        ("Recovered later", since.recovered_cents, f" by {counted(since.payments, 'later payment')}"),
        ("Replaced later", since.replaced_cents, " by later adjustments and transfers"),
    ]
    pairs = [(name, f"{format_cents(cents)}{by}") for name, cents, by in rows if cents]
    return [*pairs, ("Still written off", format_cents(since.still_written_off_cents))]


def _cost_share(drawn_up: Certificate) -> list[tuple[str, str]]:
    """Return the Medicare or Medicaid cost sharing that the job wrote off, and the reason."""
    share = drawn_up.cost_share
    return [("Cost sharing", share.sentence("wrote off")), ("  reason", drawn_up.cost_share_reason)] if share else []


def _money(money: Money) -> str:
    parts = f"insurance {format_cents(money.insurance_cents)}, patient {format_cents(money.patient_cents)}"
    return f"{format_cents(money.total_cents)} ({parts})"


def _moment(at: dt.datetime | None, zone: ZoneInfo) -> str:
    """Return the time in the practice's time zone."""
    if at is None:
        return ""
    local = at.astimezone(zone)
    return f"{local:%m/%d/%Y} {clock(local.time())} ({zone})"


COMMANDS = [download, certificate]

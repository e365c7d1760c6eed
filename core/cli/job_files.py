"""The files of a job: settled, not settled, not processed, and the reconciliation certificate."""

import datetime as dt
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from core.cli import options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.clock_times import clock, zone_words
from core.counting import counted
from core.enums.jobs import DONE_WORDS, EARLIER_FILES, JobFile, JobKind
from core.money import format_cents

_SETTING_WORDS: Final = {
    "both": "Patient and insurance",
    "insurance": "Insurance",
    "patient": "Patient",
    "neither": "Neither",
}


@user_command(lambda path: f"Wrote {path}." if path else "", json_too=False)
@options.job_argument
@click.argument("file", type=options.choice(JobFile, earlier=EARLIER_FILES))
@click.option(
    "--format", "form", type=options.choice(options.FILE_FORMATS), help="File format.  [default: from PATH, else csv]"
)
@click.option(
    "--output", "path", metavar="PATH", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="JobFile to write, or - for standard output.  [default: job-JOB-FILE.FORMAT]",
)  # fmt: skip
def download(api: Api, job: int, file: str, form: str | None, path: Path | None) -> Path | None:
    """Write a job's claims to a file.

    settled: the claims that were settled. not-settled: skipped and failed claims, with reasons. not-processed: claims
    that were not processed.
    """
    form = options.file_format(path, form)
    target = None if path == Path("-") else path or Path(f"job-{job}-{file}.{form}")
    api.download(f"/settle-jobs/{job}/{file}.{form}", target)
    return target


def _format_certificate(found: dict[str, Any]) -> str:
    is_reversal, zone = found["kind"] == "reverse", ZoneInfo(found["time_zone"])
    done = DONE_WORDS[JobKind(found["kind"])]
    what = f"reversal of job {found['reverses_job_id']}" if is_reversal else f"change to {found['target_status']}"
    counts = (
        f"{counted(found['total'], 'claim')}: {found['settled']:,} {done}, "
        f"{found['skipped']:,} skipped, {found['failed']:,} failed, {found['not_processed']:,} not processed"
    )
    rows = [
        *([("Name", f"{found['name']} (a label, not evidence; it can change)")] if found["name"] else []),
        ("Practice", found["practice"]),
        ("Confirmed by", f"{found['confirmed_by']}, {_moment(found['confirmed_at'], zone)}"),
        *_approval(found, zone),
        *([("Reason", _reason(found))] if found["reason"] else []),
        ("Selection", found["selection_words"]),
        *((f"  {one['label']}", one["value"]) for one in found["filter_words"]),
        ("Balance Writeoff", _SETTING_WORDS[found["setting"]]),
        *_cost_share(found),
        ("A/R before", f"{_money(found['receivable_before'])}, on {done} claims"),
        ("Restored" if is_reversal else "Written off", _money(found["written_off"])),
        ("A/R after", f"{_money(found['receivable_after'])}, on {done} claims"),
        *_changes_since(found["since"]),
        *([("Claims", "skipped, failed or changed only in status, by reason:")] if found["by_code"] else []),
        *((f"  {count:>10,}", found["code_words"][code]) for code, count in found["by_code"].items()),
        *([("Fingerprint", found["items_sha256"])] if found["items_sha256"] else []),
        ("Reconciles", "yes" if found["reconciles"] else "NO"),
    ]
    head = f"Job {found['job_id']} ({what}) is {found['status_words']}. {counts}."
    return "\n".join([head, *(f"  {name:<19} {value}" for name, value in rows)])


def _reason(found: dict[str, Any]) -> str:
    code = found["adjustment_code"]
    return f"{found['reason_name']} (adjustment code {code})" if code else str(found["reason_name"])


@user_command(_format_certificate, succeeds=lambda found: found["reconciles"])
@options.job_argument
def certificate(api: Api, job: int) -> Any:
    """Print a job's reconciliation certificate.

    The job must be finished. The exit code is 0 only if the job reconciles.
    """
    return api.get(f"/settle-jobs/{job}/certificate")


def _approval(found: dict[str, Any], zone: ZoneInfo) -> list[tuple[str, str]]:
    """Return the approver and the exceeded limits, if the job needed approval."""
    if chosen := found["without_approval"]:
        name, at = chosen["chosen_by"] or "A user", _moment(chosen["chosen_at"], zone)
        alone = ("Second person", f"none: {name} chose on {at} that one person works here")
        return [alone, *(("Exceeded limit", one["sentence"]) for one in found["over"])]
    if found["approved_at"] is None:
        return []
    by = ("Approved by", f"{found['approved_by']}, {_moment(found['approved_at'], zone)}")
    return [by, *(("Needed approval", one["sentence"]) for one in found["over"])]


def _changes_since(since: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return what happened to the write-offs after the job, if anything."""
    if since is None or since["still_written_off_cents"] == since["written_off_cents"]:
        return []
    rows = [
        ("Reversed later", since["reversed_cents"], ""),
        ("Recovered later", since["recovered_cents"], f" by {counted(since['payments'], 'later payment')}"),
        ("Replaced later", since["replaced_cents"], " by later adjustments and transfers"),
    ]
    pairs = [(name, f"{format_cents(cents)}{by}") for name, cents, by in rows if cents]
    return [*pairs, ("Still written off", format_cents(since["still_written_off_cents"]))]


def _cost_share(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the Medicare or Medicaid cost sharing that the job wrote off, and the reason."""
    words = found["cost_share_words"]
    return [("Cost sharing", words), ("  reason", found["cost_share_reason"])] if words else []


def _money(money: dict[str, int]) -> str:
    parts = f"insurance {format_cents(money['insurance_cents'])}, patient {format_cents(money['patient_cents'])}"
    return f"{format_cents(money['total_cents'])} ({parts})"


def _moment(at: str | None, zone: ZoneInfo) -> str:
    """Return the time in the practice's time zone."""
    if at is None:
        return ""
    local = dt.datetime.fromisoformat(at).astimezone(zone)
    return f"{local:%m/%d/%Y} {clock(local.time())} ({zone_words(str(zone))})"


COMMANDS = [download, certificate]

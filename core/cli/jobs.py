"""Commands on a job: confirm, approve, reject, rename, pause, resume, cancel, retry, discard."""

import sys
from typing import Any

import click

from core.cli import options
from core.cli.client import Api
from core.cli.job_output import format_preview, setting_lines
from core.cli.user_command import user_command
from core.money import format_cents


def describe_status(job: dict[str, Any]) -> str:
    """Return the job's status after a command. If it needs approval, say why."""
    lines = [f"Job {job['id']} is {job['status_words']}."]
    if job["status"] == "awaiting_approval":
        lines.append("It needs approval from another user, an approver or administrator:")
        lines += [f"  {one['sentence']}" for one in job["over"]]
    return "\n".join(lines)


def _describe_name(job: dict[str, Any]) -> str:
    return f"Job {job['id']} is now named {job['name']}." if job["name"] else f"Job {job['id']} has no name."


@user_command(describe_status)
@options.job_argument
@click.option("--confirmation", help="The word CONFIRM. Without it, the command asks.")
@click.option("--name", help="A name for the job. Do not enter a patient's name.")
@click.option(
    "--cost-share-reason",
    help="Reason for writing off Medicare or Medicaid cost sharing, if the job writes any off. Without it, the command "
    "asks at a terminal and fails in a script.",
)
def confirm(api: Api, job: int, confirmation: str | None, name: str | None, cost_share_reason: str | None) -> Any:
    """Confirm a previewed job and run it. A job that needs approval waits for it."""
    found = api.get(f"/settle-jobs/{job}")
    for line in setting_lines(found):
        click.echo(line, err=True)
    _print_changes(found)
    share = found["totals"] and found["totals"]["cost_share"]
    if cost_share_reason is None and share and found["status"] == "previewed" and _at_terminal():
        click.echo(f"{share['sentence']}.", err=True)
        cost_share_reason = click.prompt(f"Reason for writing off {share['name']}", err=True)
    if confirmation is None:
        confirmation = _ask_for_word("Type CONFIRM to run the job")
    body = {
        "confirmation": confirmation,
        "cost_share_reason": cost_share_reason,
        "name": name,
        "changed_since_preview": found["changed_since_preview"],  # which the user has just read
    }
    return api.post(f"/settle-jobs/{job}/confirm", body)


def _print_changes(job: dict[str, Any]) -> None:
    """Print before CONFIRM how many claims changed since the preview."""
    if job["changed_words"]:
        click.echo(job["changed_words"], err=True)


def _ask_for_word(prompt: str) -> str:
    """Ask for the word CONFIRM. A program may pipe it in."""
    try:
        typed = str(click.prompt(prompt, err=True))
    except click.Abort:
        if _at_terminal():
            raise
        raise click.UsageError("Add --confirmation CONFIRM, or run the command at a terminal.") from None
    if not _at_terminal():
        click.echo(err=True)  # ends the line of the prompt, which no user ended
    return typed


def _at_terminal() -> bool:
    """Return whether a user can be asked. A program pipes in only the word CONFIRM."""
    return sys.stdin.isatty()


@user_command(describe_status)
@options.job_argument
@click.option("--confirmation", help="The word CONFIRM. Without it, the command shows the preview and asks.")
def approve(api: Api, job: int, confirmation: str | None) -> Any:
    """Approve a job that exceeds a limit. To see what it would do, run `settle show`."""
    found = api.get(f"/settle-jobs/{job}")
    if confirmation is None:
        click.echo(format_preview(found), err=True)  # standard output is for the result
        confirmation = _ask_for_word("Type CONFIRM to approve")
    else:
        _print_changes(found)
    body = {"confirmation": confirmation, "changed_since_preview": found["changed_since_preview"]}
    return api.post(f"/settle-jobs/{job}/approve", body)


@user_command(describe_status)
@options.job_argument
@click.option("--reason", required=True, help="Reason for rejecting (shown to the requester).")
def reject(api: Api, job: int, reason: str) -> Any:
    """Reject a job that needs approval. No claim is changed."""
    return api.post(f"/settle-jobs/{job}/reject", {"reason": reason})


def _describe_retry(offer: dict[str, Any], chosen: tuple[str, ...]) -> str:
    """Return a line for each failure code: the claims and dollars that a retry would try, and what it would not."""
    lines = [f"{offer['obstacle']}, so no claim can be retried."] if offer["obstacle"] else []
    for group in offer["groups"]:
        dollars = format_cents(group["insurance_cents"] + group["patient_cents"])
        left_out = "" if not chosen or group["code"] in chosen else "not chosen, "
        lines.append(f"  {group['claims']:>10,}  {dollars:>14}  {left_out}{group['code']}: {group['words']}")
        lines += [f"  {claims:>10,}  cannot be retried: {group['blocked_words'][code]}"
                  for code, claims in group["blocked"].items()]  # fmt: skip
    return "\n".join(lines or ["No claim failed."])


@user_command(describe_status, name="retry-failed")
@options.job_argument
@click.option("--code", "chosen", multiple=True, help="Only claims that failed with this code. Repeat for more codes.")
@click.option("--yes", is_flag=True, help="Do not ask at a terminal.")
def retry_failed(api: Api, job: int, chosen: tuple[str, ...], yes: bool) -> Any:
    """Retry a job's failed claims. First show which, by failure code, and ask at a terminal."""
    click.echo(_describe_retry(api.get(f"/settle-jobs/{job}/retry-failed"), chosen), err=True)
    if not yes and _at_terminal():
        click.confirm("Retry these claims?", abort=True, err=True)
    return api.post(f"/settle-jobs/{job}/retry-failed", code=chosen or None)


@user_command(_describe_name)
@options.job_argument
@click.argument("name")
def rename(api: Api, job: int, name: str) -> Any:
    """Change a job's name. Use "" to remove it. Do not enter a patient's name."""
    return api.send("PUT", f"/settle-jobs/{job}/name", body={"name": name})


def _job_command(act: str, help_: str) -> click.Command:
    @options.job_argument
    def command(api: Api, job: int) -> Any:
        return api.post(f"/settle-jobs/{job}/{act}")

    command.__doc__ = help_
    return user_command(describe_status, name=act)(command)


COMMANDS = [
    confirm,
    approve,
    reject,
    rename,
    retry_failed,
    _job_command("pause", "Pause a running job. Resume it with `settle resume`."),
    _job_command("resume", "Resume a paused or halted job."),
    _job_command("cancel", "Cancel a confirmed job. Claims that are already settled stay settled."),
    _job_command("discard", "Discard a preview that was not confirmed or approved."),
]

"""`settle posting-request`: decide on postings by hand over the per-claim limit."""

from typing import Any, Final

import click

from core.cli import formats, options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.money import format_cents

_argument: Final = click.argument(
    "request", type=options.RecordNumber("posting request", where="to find it, run `settle approvals`")
)
_DECIDED: Final = {"posted": "approved and posted"}


@click.group(name="posting-request")
def posting_request() -> None:
    """Approve, reject or withdraw a posting that was entered by hand over the per-claim limit."""


def describe(one: dict[str, Any]) -> str:
    """Return the posting, who entered it, and the decision if there is one."""
    what = f"{one['kind']} of {format_cents(one['amount_cents'])} to claim {one['claim_id']}, line {one['line']}"
    entered = f"Posting request {one['id']}: {what}, entered by {one['requested_by']}"
    if one["state"] == "waiting":
        return f"{entered}, waits for approval"
    if one["state"] == "expired":
        return f"{entered}, expired"
    decided = f"{_DECIDED.get(one['state'], one['state'])} by {one['decided_by']}"
    return f"{entered}, {decided}{': ' + one['decision_note'] if one['decision_note'] else ''}"


def describe_waiting(one: dict[str, Any]) -> list[str]:
    """Return the lines of a posting that waits for approval."""
    more = f", dated {formats.day(one['posted_on'])}{': ' + one['note'] if one['note'] else ''}"
    return [f"{describe(one)}{more}", f"  {one['words']}"]


@user_command(describe, group=posting_request)
@_argument
def approve(api: Api, request: int) -> Any:
    """Approve a posting and post it. To see what waits, run `settle approvals`."""
    return api.post(f"/posting-requests/{request}/approve")


@user_command(describe, group=posting_request)
@_argument
@click.option("--reason", required=True, help="Reason for rejecting (shown to the requester).")
def reject(api: Api, request: int, reason: str) -> Any:
    """Reject a posting. Nothing is posted."""
    return api.post(f"/posting-requests/{request}/reject", {"reason": reason})


@user_command(describe, group=posting_request)
@_argument
def withdraw(api: Api, request: int) -> Any:
    """Withdraw a posting that you entered, before another user decides on it."""
    return api.post(f"/posting-requests/{request}/withdraw")


COMMANDS = [posting_request]

"""Month-end close: list the months, close one, reopen one with a reason."""

import sys
from typing import Any

import click

from core.cli import formats
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.practices import periods

_month_argument = click.argument("name", metavar="YYYY-MM")


@click.group()
def month() -> None:
    """Month-end close. Nothing can be posted to a closed month."""


def _describe_month(one: dict[str, Any]) -> str:
    line = f"{one['month']}  {one['state']}"
    if one["state"] == "closed":
        return f"{line}  {counted(one['postings'], 'posting'):>19}, checksum {_short(one['digest'])}"
    return f"{line}    reopened: {one['reopened_because']}" if one["reopened_because"] else line


def _describe_event(act: dict[str, Any]) -> str:
    line = f"  {formats.utc(act['at'])}  {act['by'] or 'unknown user'}"
    if act["state"] == "open":
        return f"{line} reopened it: {act['reason']}"
    return f"{line} closed it: {counted(act['postings'], 'posting')}, checksum {_short(act['digest'])}"


def _describe_with_history(one: dict[str, Any]) -> str:
    stops = [f"  If you close it: {words}" for words in one["stops"]["words"]]
    return "\n".join([_describe_month(one), *stops, *map(_describe_event, one["history"])])


def _short(digest: str | None) -> str:
    return (digest or "none")[:12]


@user_command(lambda answer: "\n".join(map(_describe_month, answer["periods"])), name="list", group=month)
def list_(api: Api) -> Any:
    """List the months, newest first."""
    return api.get_all("/periods", "periods")


@user_command(_describe_with_history, group=month)
@_month_argument
def show(api: Api, name: str) -> Any:
    """Show a month, what closing it would affect, and its history."""
    return api.get(_path(name))


@user_command(_describe_month, group=month)
@_month_argument
@click.option("--yes", is_flag=True, help="Close without asking, even if runs or previews are affected.")
def close(api: Api, name: str, yes: bool) -> Any:
    """Close a month.

    Nothing can be posted to a closed month. Its totals and a checksum of its postings are saved. The command first
    lists the runs and previews that this affects. At a terminal, it then asks whether to continue.
    """
    stopped = api.get(_path(name, "/stops"))["words"]
    for one in stopped:
        click.echo(one, err=True)
    if stopped and not yes and sys.stdin.isatty():
        click.confirm(f"Close {name}?", abort=True, err=True)
    return api.post(_path(name, "/close"))


@user_command(_describe_month, group=month)
@_month_argument
@click.option("--reason", required=True, help="Reason for reopening (kept on record).")
def reopen(api: Api, name: str, reason: str) -> Any:
    """Reopen a closed month."""
    return api.post(_path(name, "/reopen"), {"reason": reason})


def _path(name: str, what: str = "") -> str:
    return f"/periods/{periods.format_code(periods.parse_month(name))}{what}"


COMMANDS = [month]

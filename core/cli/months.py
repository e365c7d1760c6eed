"""Month-end close: list the months, close one, reopen one with a reason."""

import sys
from typing import Any

import click

from core.calendar_months import format_code, format_long, format_ranges, parse_month, posting_count
from core.cli import formats
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.money import format_cents

_month_argument = click.argument("name", metavar="YYYY-MM")


@click.group()
def month() -> None:
    """List, show, close and reopen months. Nothing can be posted to a closed month."""


def _describe_month(one: dict[str, Any]) -> str:
    if one["state"] == "closed":
        count = counted(one["postings"], "posting")
        return f"{one['month']}  closed  {count:>19}{_checksum(one['digest'])}"
    line = f"{one['month']}  open    {counted(posting_count(one['current_totals']), 'posting'):>19}"
    return f"{line}, reopened: {one['reopened_because']}" if one["reopened_because"] else line


def _describe_event(act: dict[str, Any]) -> str:
    line = f"  {formats.moment(act['at'])}  {act['by'] or 'unknown user'}"
    if act["state"] == "open":
        return f"{line} reopened it: {act['reason']}"
    return f"{line} closed it: {counted(act['postings'], 'posting')}{_checksum(act['digest'])}"


def _describe_with_history(one: dict[str, Any]) -> str:
    stops = [f"  If you close it: {words}" for words in _stops(one["stops"])]
    return "\n".join([_describe_month(one), *_describe_write_offs(one), *stops, *map(_describe_event, one["history"])])


def _describe_write_offs(one: dict[str, Any]) -> list[str]:
    """Return the write-offs by reason and by user, the voided postings and the payer reversals."""
    by = (("write_offs_by_reason", "Write-offs by reason"), ("write_offs_by_user", "Write-offs by user"))
    lines = [line for key, heading in by if one[key] for line in (f"  {heading}", *map(_describe_net, one[key]))]
    if one["write_offs_by_reason"]:
        net = sum(row["net_cents"] for row in one["write_offs_by_reason"])
        lines.append(f"  Net written off: {format_cents(net)}")
    for key, words in (("voided_postings", "Voided postings"), ("payer_reversals", "Payer reversals")):
        if sides := one[key].values():
            count, cents = (sum(side[name] for side in sides) for name in ("count", "cents"))
            lines.append(f"  {words}: {count:,}, {format_cents(cents)}")
    return lines


def _describe_net(row: dict[str, Any]) -> str:
    keys = ("written_off", "reversed", "later", "net")
    written, back, later, net = (format_cents(row[f"{key}_cents"]) for key in keys)
    counts = f"written off {written} ({row['write_offs']:,}), reversed {back} ({row['reversals']:,})"
    more = f", recovered or adjusted later {later}" if row["later_postings"] else ""
    return f"    {row['name']}, {row['responsibility']}: {counts}{more}, net {net}"


def _stops(stops: dict[str, Any]) -> list[str]:
    """Return a sentence for each schedule and preview that the close stops, and one for earlier open months."""
    earlier = stops["earlier_open_months"]
    if not earlier:
        return list(stops["words"])
    ranges = format_ranges(map(parse_month, earlier), format_code)
    stay = counted(len(earlier), "earlier month stays", "earlier months stay")
    return [*stops["words"], f"{stay} open: {ranges}."]


def _checksum(digest: str | None) -> str:
    """Return the beginning of the checksum, or nothing for a user who does not get it."""
    return "" if digest is None else f", checksum {digest[:12] or 'none'}"


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
    lists the runs and previews that this affects, and earlier months that are still open. At a terminal, it then asks
    whether to continue.
    """
    for one in _stops(api.get(_path(name, "/stops"))):
        click.echo(one, err=True)
    if not yes and sys.stdin.isatty():
        month_name = format_long(parse_month(name))
        click.confirm(f"Nothing can be posted to {month_name} after the close. Close it?", abort=True, err=True)
    return api.post(_path(name, "/close"))


@user_command(_describe_month, group=month)
@_month_argument
@click.option("--reason", required=True, help="Reason for reopening (kept on record).")
def reopen(api: Api, name: str, reason: str) -> Any:
    """Reopen a closed month."""
    return api.post(_path(name, "/reopen"), {"reason": reason})


def _path(name: str, what: str = "") -> str:
    return f"/periods/{format_code(parse_month(name))}{what}"


COMMANDS = [month]

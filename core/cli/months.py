"""Month-end close: list the months, close one, reopen one with a reason."""

import datetime as dt
import json
import sys
from typing import Any

import click
from sqlalchemy.orm import Session

from core.access.permissions import Action
from core.books import closing
from core.books.closing import Month, MonthEvent
from core.cli import context, options
from core.db.engine import transaction
from core.models.practices import PeriodState
from core.practices import periods
from core.schedules import schedule_queries


@click.group()
def month() -> None:
    """Month-end close. Nothing can be posted to a closed month."""


@month.command("list")
@options.as_option
@options.json_option
def list_(email: str, as_json: bool) -> None:
    """List the months, newest first."""
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        found = closing.list_months(session, by.practice_id, now=context.utc_now())
    click.echo(json.dumps([_month_facts(one) for one in found]) if as_json else "\n".join(map(_describe_month, found)))


@month.command()
@click.argument("name", metavar="YYYY-MM")
@options.as_option
@options.json_option
def show(name: str, email: str, as_json: bool) -> None:
    """Show a month, what closing it would affect, and its history."""
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        found = closing.find(session, by.practice_id, periods.parse_month(name))
        stops = _blocked_by_closing(session, by.practice_id, found.month) if found.state is PeriodState.OPEN else []
    lines = [
        _describe_month(found),
        *(f"  If you close it: {one}" for one in stops),
        *map(_describe_event, found.history),
    ]
    click.echo(json.dumps({**_month_facts(found), "stops": stops}) if as_json else "\n".join(lines))


@month.command()
@click.argument("name", metavar="YYYY-MM")
@options.as_option
@click.option("--yes", is_flag=True, help="Close without asking, even if runs or previews are affected.")
@options.json_option
def close(name: str, email: str, yes: bool, as_json: bool) -> None:
    """Close a month.

    Nothing can be posted to a closed month. Its totals and a checksum of its postings are saved. The command first
    lists the runs and previews that this affects. At a terminal, it then asks whether to continue.
    """
    with options.sessions() as sessions:
        with sessions() as session:
            by = options.find_actor(session, email)
            by.require(Action.CLOSE_MONTH)
            stopped = _blocked_by_closing(session, by.practice_id, periods.parse_month(name))
        for one in stopped:
            click.echo(one, err=True)
        if stopped and not yes and sys.stdin.isatty():
            click.confirm(f"Close {name}?", abort=True, err=True)
        with transaction(sessions) as session:
            closed = closing.close(session, periods.parse_month(name), by=by, now=context.utc_now())
    click.echo(json.dumps({**_month_facts(closed), "stops": stopped}) if as_json else _describe_month(closed))


@month.command()
@click.argument("name", metavar="YYYY-MM")
@options.as_option
@click.option("--reason", required=True, help="Reason for reopening (kept on record).")
@options.json_option
def reopen(name: str, email: str, reason: str, as_json: bool) -> None:
    """Reopen a closed month."""
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email)
        opened = closing.reopen(session, periods.parse_month(name), reason=reason, by=by, now=context.utc_now())
    click.echo(json.dumps(_month_facts(opened)) if as_json else _describe_month(opened))


def _month_facts(one: Month) -> dict[str, Any]:
    return {
        "month": periods.format_code(one.month),
        "state": one.state.value,
        "totals": one.totals,
        "digest": one.digest,
        "closed_by": one.closed_by,
        "closed_at": one.closed_at.isoformat() if one.closed_at else None,
        "reopened_by": one.reopened_by,
        "reopened_at": one.reopened_at.isoformat() if one.reopened_at else None,
        "reopened_because": one.reopened_because,
        "history": [{**vars(act), "at": act.at.isoformat()} for act in one.history],
    }


def _blocked_by_closing(session: Session, practice_id: int, month: dt.date) -> list[str]:
    """Return what could no longer post into the month once it is closed, in words."""
    coming = schedule_queries.with_runs_in(session, practice_id, month, now=context.utc_now())
    previews = closing.waiting_previews(session, practice_id, month)
    return [
        *(
            f"Schedule “{one.name}” still has runs in this month. Those runs will be refused and settle nothing."
            for one in coming
        ),
        *(f"Job {job} is waiting for CONFIRM and needs a new posting date." for job in previews),
    ]


def _describe_event(act: MonthEvent) -> str:
    line = f"  {context.format_utc(act.at)}  {act.by or 'unknown user'}"
    if act.state is PeriodState.OPEN:
        return f"{line} reopened it: {act.reason}"
    return f"{line} closed it: {closing.posting_count(act.totals):,} postings, checksum {(act.digest or 'none')[:12]}"


def _describe_month(one: Month) -> str:
    line = f"{periods.format_code(one.month)}  {one.state.value}"
    if one.closed_at and one.state == "closed":
        return f"{line}  {closing.posting_count(one.totals):>10,} postings, checksum {(one.digest or 'none')[:12]}"
    return f"{line}    reopened: {one.reopened_because}" if one.reopened_because else line


COMMANDS = [month]

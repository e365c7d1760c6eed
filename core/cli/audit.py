"""The audit: who did what, on the screen or as a file for an auditor."""

import datetime as dt
import json
from pathlib import Path

import click

from core.audit import log
from core.audit.log import AuditFilter
from core.cli import context, options
from core.db.engine import Sessions, transaction
from core.practices import queries


@click.command("audit")
@click.option("--practice", "practice", required=True, help="Whose acts.")
@click.option("--person", metavar="EMAIL", help="What this person did.")
@click.option("--claim", help="What was done to this claim, and to jobs, exclusions and imports that concern it.")
@click.option("--job", type=options.JOB, help="What was done to this job, and to those that reverse it.")
@click.option("--from", "first_day", type=options.DAY, metavar="YYYY-MM-DD", help="From this day of the practice on.")
@click.option("--to", "last_day", type=options.DAY, metavar="YYYY-MM-DD", help="Through this day.")
@click.option("--csv", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write all of them to this file.")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Of the newest, if no file."
)
@options.json_option
def show_audit(
    practice: str,
    person: str | None,
    claim: str | None,
    job: int | None,
    first_day: dt.date | None,
    last_day: dt.date | None,
    path: Path | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show who did what, newest first, or write it to a file with the number and digest of each act.

    It takes no --as, because anyone at this terminal can read the database. The audit records an export by the command
    line.
    """
    with options.sessions() as sessions:
        with transaction(sessions) as session:
            practice_id = queries.find_by_name(session, practice).id
            wanted = AuditFilter(
                person=log.find_user_id(session, practice_id, person) if person else None,
                claim=claim,
                job=job,
                first_day=first_day,
                last_day=last_day,
            )
        if path is not None:
            _write(sessions, practice_id, wanted, path)
        else:
            _show(sessions, practice_id, wanted, limit, as_json=as_json)


def _write(sessions: Sessions, practice_id: int, wanted: AuditFilter, path: Path) -> None:
    with transaction(sessions) as session:
        log.record_export(session, practice_id, wanted, by=None, now=context.utc_now())
    with sessions() as session, path.open("w", encoding="utf-8", newline="") as file:
        for piece in log.csv_file(session, practice_id, wanted):
            file.write(piece)
        last = log.head(session, practice_id)
    click.echo(f"Written to {path}. The chain ends with act {last.number:,}, digest {last.digest}.")


def _show(sessions: Sessions, practice_id: int, wanted: AuditFilter, limit: int, *, as_json: bool) -> None:
    with sessions() as session:
        found: list[log.AuditRow] = []
        while len(found) < limit:
            before = found[-1].number if found else None
            more = log.acts(session, practice_id, wanted, before=before, limit=min(200, limit - len(found)))
            if not more:
                break
            found += more
        last = log.head(session, practice_id)
    if as_json:
        shown = [{**act._asdict(), "at": act.at.isoformat(), "who": act.who} for act in found]
        click.echo(json.dumps({"acts": shown, "head": last._asdict()}))
        return
    for act in found:
        said = "; ".join(f"{label}: {value}" for label, value in act.details)
        click.echo(f"{act.number}  {context.format_utc(act.at)}  {act.who}: {act.sentence}"
                   f"{f' ({said})' if said else ''}")  # fmt: skip
    click.echo(f"The chain ends with act {last.number:,}, digest {last.digest}." if last.number else "No act yet.")


COMMANDS = [show_audit]

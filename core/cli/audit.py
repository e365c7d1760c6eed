"""The audit: who did what, on the screen or as a file for an auditor."""

import datetime as dt
import json
from pathlib import Path

import click

from core.audit import log
from core.audit.log import AuditFilter
from core.cli import context, options
from core.db.engine import Sessions, transaction
from core.practices import practice_queries


@click.command("audit")
@click.option("--practice", "practice", required=True, metavar="NAME", help="The practice whose audit log to show.")
@click.option("--person", metavar="EMAIL", help="Only what this user did.")
@click.option("--claim", help="Only what concerns this claim, including its jobs, exclusions and imports.")
@click.option("--job", type=options.JOB, help="Only what concerns this job and its reversals.")
@click.option(
    "--from", "first_day", type=options.DAY, metavar="YYYY-MM-DD", help="First day, in the practice's time zone."
)
@click.option("--to", "last_day", type=options.DAY, metavar="YYYY-MM-DD", help="Last day, in the practice's time zone.")
@click.option(
    "--csv", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write all entries to this CSV file."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="Show this many entries, unless --csv is given.",
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
    """Show who did what, newest first.

    With --csv, write a file with the number and digest of each entry. The command takes no --as, because anyone at this
    terminal can read the database. The audit log records the export.
    """
    with options.sessions() as sessions:
        with transaction(sessions) as session:
            practice_id = practice_queries.find_by_name(session, practice).id
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
    click.echo(f"Wrote {path}. The last entry in the audit log is {last.number:,}, digest {last.digest}.")


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
        details = "; ".join(f"{label}: {value}" for label, value in act.details)
        click.echo(f"{act.number}  {context.format_utc(act.at)}  {act.who}: {act.sentence}"
                   f"{f' ({details})' if details else ''}")  # fmt: skip
    click.echo(
        f"The last entry in the audit log is {last.number:,}, digest {last.digest}."
        if last.number
        else "No entries yet."
    )


COMMANDS = [show_audit]

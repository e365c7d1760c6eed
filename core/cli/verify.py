"""`settle verify`: check every invariant in one snapshot."""

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path

import click

from core.audit import time_stamps, witness
from core.audit.log import Head
from core.audit.witness import Witnessed
from core.books import coverage
from core.books.invariants import SUBJECTS_SHOWN_MAX, Violation, begin_snapshot, share_snapshot, violations
from core.books.invariants_sql import INVARIANTS
from core.books.mismatches import FLAGGED_FOR, any_flagged, flag_mismatches
from core.cli import database
from core.counting import counted
from core.db.engine import make_sessions, transaction
from core.practices import practice_queries
from core.settings import load_settings


def _parse_head(_ctx: click.Context, _option: click.Parameter, given: str | None) -> Head | None:
    number, _, digest = (given or "").replace(",", "").partition(":")
    if given is not None and not (number.isascii() and number.isdigit() and digest):
        raise click.BadParameter("write the number and the checksum, for example 1042:9f86d081…")
    return Head(int(number), digest) if given is not None else None


@click.command()
@click.option("--practice", "name", help="Check only this practice.  [default: all practices]")
@click.option(
    "--head",
    "kept",
    metavar="N:CHECKSUM",
    callback=_parse_head,
    help="The last entry that you saved from this practice's audit log. Fail if the log no longer contains it.",
)
@click.option(
    "--witness",
    "witness_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file where the administrator of the database cannot write. Fail if an audit log no longer contains an "
    "entry of the file. Then add the last entry of each log and new time stamps to it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify(ctx: click.Context, name: str | None, kept: Head | None, witness_file: Path | None, as_json: bool) -> None:
    """Check that the books balance to the cent. The exit code is 0 only if every invariant holds."""
    if kept and not name:
        raise click.UsageError("--head also needs --practice NAME.")
    with database.engine(pool_size=2) as engine:
        sessions = make_sessions(engine)
        with transaction(sessions) as session, transaction(sessions) as second:
            begin_snapshot(session)
            practice_id = practice_queries.find_by_name(session, name).id if name else None
            share_snapshot(session, second)
            found = violations(session, practice_id=practice_id, beside=second)
            stamped = time_stamps.stamped(session, practice_id)
            given = [*_of_file(witness_file, practice_id), *_of_option(kept, practice_id), *stamped]
            if lost := witness.missing(session, given):
                found.append(_lost_entries(lost))
            found += _bad_stamps(given)
            uncovered = coverage.count_uncovered(session, practice_id=practice_id)
            heads = witness.current(session, practice_id)
            is_flagged = any_flagged(session, practice_id=practice_id)
        if witness_file and not lost:
            witness.append(witness_file, [*stamped, *heads], now=dt.datetime.now(dt.UTC))
        if is_flagged or any(violation.invariant in FLAGGED_FOR for violation in found):
            with transaction(sessions) as session:
                flag_mismatches(session, practice_id=practice_id)
    if load_settings().timestamp_ca is None and any(one.time_stamp for one in given):
        click.echo("Time stamps were not checked. Set SETTLE_TIMESTAMP_CA.", err=True)
    click.echo(_as_json(found, uncovered) if as_json else _as_words(found, uncovered))
    ctx.exit(1 if found else 0)


def _of_file(path: Path | None, practice_id: int | None) -> list[Witnessed]:
    found = [] if path is None else witness.read(path)
    return [one for one in found if practice_id in (None, one.practice_id)]


def _of_option(kept: Head | None, practice_id: int | None) -> list[Witnessed]:
    return [] if kept is None or practice_id is None else [Witnessed(practice_id, kept)]


def _lost_entries(lost: list[Witnessed]) -> Violation:
    return Violation(
        "the_kept_head_is_in_the_chain",
        "each saved audit entry is in the audit log with the same number and checksum",
        len(lost),
        tuple(f"practice {one.practice_id}, audit entry {one.head.number}" for one in lost[:SUBJECTS_SHOWN_MAX]),
    )


def _bad_stamps(given: list[Witnessed]) -> list[Violation]:
    trusted = load_settings().timestamp_ca
    bad = [] if trusted is None else witness.with_bad_stamp(given, trusted=trusted)
    subjects = tuple(f"practice {one.practice_id}, audit entry {one.head.number}" for one in bad[:SUBJECTS_SHOWN_MAX])
    sentence = "each time stamp is by a trusted authority, for its audit entry"
    return [Violation("each_time_stamp_proves_its_entry", sentence, len(bad), subjects)] if bad else []


def _as_json(found: list[Violation], uncovered: int) -> str:
    return json.dumps(
        {
            "invariants": len(INVARIANTS),
            "violations": [asdict(violation) for violation in found],
            "jobs_without_digest": uncovered,
        }
    )


def _as_words(found: list[Violation], uncovered: int) -> str:
    lines = [] if found else [f"All {len(INVARIANTS)} invariants hold."]
    if uncovered:
        jobs = counted(uncovered, "job")
        lines.append(f"Not covered: {jobs} that an earlier version confirmed. The audit log has no preview checksum.")
    for violation in found:
        broken = f"broken in {counted(violation.rows, 'place')}"
        lines.append(f"{violation.invariant}: {broken}. Expected: {violation.sentence}.")
        lines.extend(f"    {subject}" for subject in violation.subjects)
        if violation.rows > len(violation.subjects):
            lines.append(f"    … and {violation.rows - len(violation.subjects):,} more")
    return "\n".join(lines)


COMMANDS = [verify]

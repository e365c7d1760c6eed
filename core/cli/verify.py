"""`settle verify`: check every invariant in one snapshot."""

import json
from dataclasses import asdict

import click

from core.audit import log
from core.audit.log import Head
from core.books.invariants import Violation, begin_snapshot, violations
from core.books.invariants_sql import INVARIANTS
from core.books.mismatches import flag_mismatches
from core.cli import database
from core.counting import counted
from core.db.engine import make_sessions, transaction
from core.practices import practice_queries


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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify(ctx: click.Context, name: str | None, kept: Head | None, as_json: bool) -> None:
    """Check that the books balance to the cent. The exit code is 0 only if every invariant holds."""
    if kept and not name:
        raise click.UsageError("--head also needs --practice NAME.")
    with database.engine() as engine:
        sessions = make_sessions(engine)
        with transaction(sessions) as session:
            begin_snapshot(session)
            practice_id = practice_queries.find_by_name(session, name).id if name else None
            found = violations(session, practice_id=practice_id)
            if kept and practice_id is not None and not log.contains_head(session, practice_id, kept):
                found.append(_missing_head_violation(practice_id, kept))
        with transaction(sessions) as session:
            flag_mismatches(session, practice_id=practice_id)
    click.echo(_as_json(found) if as_json else _as_words(found))
    ctx.exit(1 if found else 0)


def _missing_head_violation(practice_id: int, kept: Head) -> Violation:
    return Violation(
        "the_kept_head_is_in_the_chain",
        "the saved audit entry is in the audit log with the same number and checksum",
        1,
        (f"practice {practice_id}, audit entry {kept.number}",),
    )


def _as_json(found: list[Violation]) -> str:
    return json.dumps(
        {
            "invariants": len(INVARIANTS),
            "violations": [asdict(violation) for violation in found],
        }
    )


def _as_words(found: list[Violation]) -> str:
    if not found:
        return f"All {len(INVARIANTS)} invariants hold."
    lines = []
    for violation in found:
        broken = f"broken in {counted(violation.rows, 'place')}"
        lines.append(f"{violation.invariant}: {broken}. Expected: {violation.sentence}.")
        lines.extend(f"    {subject}" for subject in violation.subjects)
        if violation.rows > len(violation.subjects):
            lines.append(f"    … and {violation.rows - len(violation.subjects):,} more")
    return "\n".join(lines)


COMMANDS = [verify]

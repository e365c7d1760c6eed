"""`settle verify`: every invariant, in one moment."""

import json
from dataclasses import asdict

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.cli import context
from core.counting import counted
from core.db.engine import make_sessions, transaction
from core.errors import NotFound
from core.ledger.invariants import Violation, begin_snapshot, violations
from core.ledger.invariants_sql import INVARIANTS
from core.ledger.mismatches import flag_mismatches
from core.practices.models import Practice


@click.command()
@click.option("--practice", "name", help="Of this practice alone; of all without it.")
@click.option("--json", "as_json", is_flag=True, help="Print facts for programs.")
@click.pass_context
def verify(ctx: click.Context, name: str | None, as_json: bool) -> None:
    """Check that the books are right to the cent; exit 0 only if every invariant holds."""
    with context.database() as engine:
        sessions = make_sessions(engine)
        with transaction(sessions) as session:
            begin_snapshot(session)
            practice_id = _practice_id(session, name) if name else None
            found = violations(session, practice_id=practice_id)
        with transaction(sessions) as session:
            flag_mismatches(session, practice_id=practice_id)
    click.echo(_as_json(found) if as_json else _as_words(found))
    ctx.exit(1 if found else 0)


def _practice_id(session: Session, name: str) -> int:
    practice_id = session.scalar(select(Practice.id).where(Practice.name == name))
    if practice_id is None:
        raise NotFound(f"There is no practice called {name!r}.")
    return practice_id


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
        lines.append(f"{violation.invariant}: {broken}. It must be true that {violation.sentence}.")
        lines.extend(f"    {subject}" for subject in violation.subjects)
        if violation.rows > len(violation.subjects):
            lines.append(f"    … and {violation.rows - len(violation.subjects):,} more")
    return "\n".join(lines)


COMMANDS = [verify]

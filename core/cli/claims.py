"""One claim, by hand."""

import click

from core.claims import holds
from core.claims.models import Hold
from core.cli import acting, context
from core.db.engine import transaction

_NONE = "none"


@click.command("hold")
@click.argument("claim")
@click.argument("hold", type=click.Choice([*(hold.value for hold in Hold), _NONE]))
@acting.as_option
def set_hold(claim: str, hold: str, email: str) -> None:
    """Put a claim on hold, so that nobody settles it; none releases it."""
    with acting.sessions() as sessions, transaction(sessions) as session:
        by = acting.actor(session, email)
        wanted = None if hold == _NONE else Hold(hold)
        holds.set_hold(session, claim, wanted, by=by, now=context.utc_now())
    click.echo(f"Claim {claim} is {'not on hold' if wanted is None else f'on hold ({hold})'}.")


COMMANDS = [set_hold]

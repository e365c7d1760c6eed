"""What the commands on jobs and claims have in common: on whose behalf, and on which database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.access.users import actor_for, find_by_email
from core.cli import context
from core.db.engine import Sessions, make_sessions
from core.errors import NotFound
from core.practices.models import Practice

JOB_NUMBER_MAX: Final = 2**63 - 1
as_option = click.option("--as", "email", required=True, metavar="EMAIL", help="Who does it.")


class _JobNumber(click.ParamType[int]):
    """A job's number."""

    name = "job"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and 0 < int(text[:20]) <= JOB_NUMBER_MAX):
            self.fail(f"{text[:40]!r} is no job's number; `settle preview` prints it, and the Jobs page.", param, ctx)
        return int(text)


job_argument = click.argument("job", type=_JobNumber())
json_option = click.option("--json", "as_json", is_flag=True, help="Print facts for programs.")


@contextmanager
def sessions() -> Iterator[Sessions]:
    """A maker of sessions on the database. Raises `NothingRuns` and `DatabaseAway`."""
    with context.database() as engine:
        yield make_sessions(engine)


def actor(session: Session, email: str, practice: str | None = None) -> Actor:
    """The active user of that address, who belongs to `practice` where it is given. Raises `NotFound`."""
    user = find_by_email(session, email)
    if user is None or not user.active:
        raise NotFound(
            f"There is no active user {email}; add one with: settle user add {email} --practice NAME --role biller"
        )
    if practice is not None:
        practice_id = session.scalar(select(Practice.id).where(Practice.name == practice))
        if practice_id != user.practice_id:
            raise NotFound(f"{email} does not belong to a practice called {practice!r}.")
    return actor_for(user)


def filter_of(pairs: tuple[str, ...]) -> dict[str, str | list[str]]:
    """What --filter KEY=VALUE says, given as often as needed: a key that comes twice means any of its values."""
    given: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise click.UsageError(f"--filter {pair}: write KEY=VALUE, such as total_due_max_cents=5000")
        given.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in given.items()}

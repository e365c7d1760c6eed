"""What the commands on jobs and claims have in common: on whose behalf, and on which database."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import reading
from core.access.permissions import Actor
from core.access.users import actor_for, find_by_email
from core.cli import context
from core.db.engine import Sessions, make_sessions
from core.errors import NotFound
from core.models.practices import Practice

as_option = click.option("--as", "email", required=True, metavar="EMAIL", help="Who does it.")


class RecordNumber(click.ParamType[int]):
    """The number of a job, a schedule, a run or an exclusion."""

    def __init__(self, of: str, *, where: str) -> None:
        """Remember of what it is the number, and where that is shown, as the end of a sentence."""
        self.name, self._where = of, where

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, or the cure."""
        found = reading.number(str(value))
        if not found:
            self.fail(f"{str(value)[:40]!r} is no {self.name}'s number; {self._where}.", param, ctx)
        return found


class DateType(click.ParamType[dt.date]):
    """A day."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        """The day that YYYY-MM-DD says."""
        try:
            return reading.day(value)
        except ValueError as fault:
            self.fail(f"{fault}.", param, ctx)


JOB: Final = RecordNumber("job", where="`settle preview` prints it, and the Jobs page")
DAY: Final = DateType()
job_argument = click.argument("job", type=JOB)
json_option = click.option("--json", "as_json", is_flag=True, help="Print facts for programs.")


@contextmanager
def sessions() -> Iterator[Sessions]:
    """A maker of sessions on the database. Raises `NothingRuns` and `DatabaseAway`."""
    with context.database() as engine:
        yield make_sessions(engine)


def find_actor(session: Session, email: str, practice: str | None = None) -> Actor:
    """The active user of that address, who belongs to `practice` where it is given. Raises `NotFound`."""
    user = find_by_email(session, email)
    if user is None or not user.active:
        raise NotFound(
            f"There is no active user {email}; add one with: settle user add {email} --practice NAME "
            "--role biller --limit unlimited"
        )
    if practice is not None:
        practice_id = session.scalar(select(Practice.id).where(Practice.name == practice))
        if practice_id != user.practice_id:
            raise NotFound(f"{email} does not belong to a practice called {practice!r}.")
    return actor_for(user)


def parse_filters(pairs: tuple[str, ...]) -> dict[str, str | list[str]]:
    """What --filter KEY=VALUE says, given as often as needed: a key that comes twice means any of its values."""
    given: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise click.UsageError(f"--filter {pair}: write KEY=VALUE, such as total_due_max_cents=5000")
        given.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in given.items()}

"""Options that commands share: the acting user, numbers, dates and filters."""

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

as_option = click.option("--as", "email", required=True, metavar="EMAIL", help="The user who runs this command.")


class RecordNumber(click.ParamType[int]):
    """The number of a job, schedule, run, exclusion or token."""

    def __init__(self, of: str, *, where: str) -> None:
        """Store what the number identifies, and how to find it, as the end of a sentence."""
        self.name, self._where = of, where

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail with the cure."""
        found = reading.number(str(value))
        if not found:
            self.fail(f"{str(value)[:40]!r} is not a valid {self.name} number; {self._where}.", param, ctx)
        return found


class DateType(click.ParamType[dt.date]):
    """A date."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        """Read YYYY-MM-DD."""
        try:
            return reading.day(value)
        except ValueError as fault:
            self.fail(f"{fault}.", param, ctx)


JOB: Final = RecordNumber("job", where="to find it, open the Jobs page")
DAY: Final = DateType()
job_argument = click.argument("job", type=JOB)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@contextmanager
def sessions() -> Iterator[Sessions]:
    """Yield a session factory on the database. Raise `NoRunningServers` and `DatabaseUnavailable`."""
    with context.database() as engine:
        yield make_sessions(engine)


def find_actor(session: Session, email: str, practice: str | None = None) -> Actor:
    """Return the active user with that address, of `practice` if given. Raise `NotFound`."""
    user = find_by_email(session, email)
    if user is None or not user.active:
        raise NotFound(
            f"There is no active user {email}. Add one: settle user add {email} --practice NAME "
            "--role biller --limit unlimited"
        )
    if practice is not None:
        practice_id = session.scalar(select(Practice.id).where(Practice.name == practice))
        if practice_id != user.practice_id:
            raise NotFound(f"{email} is not a user of a practice named {practice!r}.")
    return actor_for(user)


def parse_filters(pairs: tuple[str, ...]) -> dict[str, str | list[str]]:
    """Read repeated --filter KEY=VALUE options. A repeated key means any of its values."""
    given: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not value:
            raise click.UsageError(f"--filter {pair}: write KEY=VALUE, for example total_due_max_cents=5000")
        given.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in given.items()}

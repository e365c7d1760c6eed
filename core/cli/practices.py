"""Name a practice in a command, so that a typo never creates a new one."""

import sys

import click
from sqlalchemy import exists, select

from core.cli import options
from core.models.practices import Practice
from core.practices import practice_queries
from core.practices.practice_queries import NoSuchPractice

_CURE = "To create it, add --create."
create_option = click.option("--create", is_flag=True, help="Create the practice if it does not exist.")


def may_create(name: str, *, create: bool) -> bool:
    """Return True if the command may create the practice, False if it already exists.

    The first practice of a database is created without a question, because no name can be mistyped there. A later one
    takes --create, or a yes at a terminal. Raise `NoSuchPractice`.
    """
    with options.sessions() as sessions, sessions() as session:
        try:
            practice_queries.find_by_name(session, name)
        except NoSuchPractice as missing:
            refusal = missing
            is_first = not session.scalar(select(exists().where(Practice.id.is_not(None))))
        else:
            return False
    # Ask outside of a transaction, because the answer may take a while.
    if create or is_first or (sys.stdin.isatty() and click.confirm(f"{refusal.message} Create it?", err=True)):
        return True
    raise NoSuchPractice(f"{refusal.message} {_CURE}")


def print_created(name: str) -> None:
    """Print it prominently, because a new practice is easily taken for an existing one."""
    click.secho(f"CREATED A NEW PRACTICE: {name.strip()}.", bold=True)

"""Find the practice and the user for a command on the server. A typo never creates a new practice."""

import sys

import click
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from core.access.permissions import Actor
from core.access.users import actor_for, find_by_email
from core.cli import database
from core.errors import NotFound
from core.models.practices import Practice
from core.practices import practice_queries
from core.practices.practice_queries import NoSuchPractice

_CURE = "To create a new practice, add --create."
practice_option = click.option("--practice", "practice_name", required=True, metavar="NAME")
as_option = click.option("--as", "email", required=True, metavar="EMAIL", help="The user to record in the audit log.")
create_option = click.option("--create", is_flag=True, help="Create the practice if it does not exist.")


def may_create(name: str, *, create: bool) -> bool:
    """Return True if the command may create the practice, False if it already exists.

    The first practice in a database is created without a question, because no name can be mistyped there. A later one
    requires --create, or a yes at a terminal. Raise `NoSuchPractice`.
    """
    with database.sessions() as sessions, sessions() as session:
        try:
            practice_queries.find_by_name(session, name)
        except NoSuchPractice as missing:
            refusal = missing
            is_first = not session.scalar(select(exists().where(Practice.id.is_not(None))))
        else:
            return False
    # Ask outside of a transaction, because the answer may take a while.
    question = f"{refusal.message} Create a new practice?"
    if create or is_first or (sys.stdin.isatty() and click.confirm(question, err=True)):
        return True
    raise NoSuchPractice(f"{refusal.message} {_CURE}")


def find_actor(session: Session, email: str, practice: str) -> Actor:
    """Return the active user of the practice with that address. Raise `NotFound`."""
    user = find_by_email(session, email)
    if user is None or not user.active:
        raise NotFound(f"There is no active user {email}. Add one with `settle user add`.")
    if session.get_one(Practice, user.practice_id).name != practice.strip():
        raise NotFound(f"{email} is not a user of a practice named {practice!r}.")
    return actor_for(user)


def print_created(name: str) -> None:
    """Print it prominently, because a new practice is easily mistaken for an existing one."""
    click.secho(f"CREATED A NEW PRACTICE: {name.strip()}.", bold=True)
    click.echo(
        "Before you settle its first claims, choose its Balance Writeoff setting on the Write-off settings page or "
        "with `settle write-off-setting`."
    )

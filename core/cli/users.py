"""Manage the users of a practice and the write-off limits."""

import json
from collections.abc import Callable
from typing import Any, Final

import click
from sqlalchemy.orm import Session

from core.access import user_management
from core.access.permissions import Action, Actor
from core.cli import context, options
from core.cli.access import user
from core.db.engine import transaction
from core.models.people import Role, User
from core.money import format_limit, limit_as_json, parse_limit
from core.practices import limits, practice_queries

_email_argument = click.argument("who", metavar="EMAIL")
_which_argument = click.argument("which", type=click.Choice(["claim", "job"]))
_amount_argument = click.argument("amount", metavar="AMOUNT|unlimited")
_NOT_RETROACTIVE: Final = "Existing previews keep their old limits."


@user.command("list")
@options.as_option
@options.json_option
def list_users(email: str, as_json: bool) -> None:
    """List the users of the practice with role and limits."""
    with options.sessions() as sessions, sessions() as session:
        found = [_user_facts(user) for user in user_management.list_users(session, options.find_actor(session, email))]
    if as_json:
        click.echo(json.dumps({"users": found}))
        return
    for one in found:
        money = f"claim {_limit(one['claim_limit_cents'])}, job {_limit(one['job_limit_cents'])}"
        click.echo(f"{one['email']:<40} {one['role']:<9} {money}{'' if one['active'] else ', deactivated'}")


@user.command("role")
@_email_argument
@click.argument("role", type=click.Choice([role.value for role in Role]))
@options.as_option
def change_role(who: str, role: str, email: str) -> None:
    """Change another user's role. You can't change your own."""
    _run_user_command(
        who, email, lambda session, user_id, **by: user_management.change_role(session, user_id, Role(role), **by)
    )
    click.echo(f"{who} now has the role {role}.")


@user.command("limit")
@_email_argument
@_which_argument
@_amount_argument
@options.as_option
def set_user_limit(who: str, which: str, amount: str, email: str) -> None:
    """Set another user's write-off limit.

    The limit is the max write-off per claim or per job without approval, in dollars or unlimited.
    """
    cents: dict[str, Any] = {f"{which}_cents": parse_limit(amount)}
    _run_user_command(
        who,
        email,
        lambda session, user_id, **by: user_management.set_limits(session, user_id, **cents, **by),
    )
    click.echo(f"Limit per {which} for {who}: {format_limit(*cents.values())}. {_NOT_RETROACTIVE}")


@user.command("deactivate")
@_email_argument
@options.as_option
def deactivate(who: str, email: str) -> None:
    """Deactivate another user.

    They are signed out of every browser, and their API tokens are revoked permanently.
    """
    _run_user_command(who, email, user_management.deactivate)
    click.echo(f"{who} is deactivated. All sessions ended and all API tokens revoked.")


@user.command("reactivate")
@_email_argument
@options.as_option
def reactivate(who: str, email: str) -> None:
    """Reactivate a user. Their tokens stay revoked."""
    _run_user_command(who, email, user_management.reactivate)
    click.echo(f"{who} can sign in again. Their API tokens stay revoked.")


@click.command("limit")
@_which_argument
@_amount_argument
@click.option("--practice", required=True, metavar="NAME")
@options.as_option
def set_limit(which: str, amount: str, practice: str, email: str) -> None:
    """Set the practice's write-off limit.

    The limit is the max write-off per claim or per job without approval, in dollars or unlimited. A job over a limit
    needs approval as a whole.
    """
    cents: dict[str, Any] = {f"{which}_cents": parse_limit(amount)}
    with options.sessions() as sessions, transaction(sessions) as session:
        by = options.find_actor(session, email, practice)
        limits.set_write_off_limits(session, **cents, by=by, now=context.utc_now())
    click.echo(f"Limit per {which} for {practice}: {format_limit(*cents.values())}. {_NOT_RETROACTIVE}")


@click.command("limits")
@options.as_option
@options.json_option
def show_limits(email: str, as_json: bool) -> None:
    """Show the write-off limits.

    Administrators see the limits of all users; other users see only their own and the practice's. The lower limit
    applies.
    """
    with options.sessions() as sessions, sessions() as session:
        by = options.find_actor(session, email)
        by.require(Action.SEE_CLAIMS)
        practice = practice_queries.find(session, by.practice_id)
        everybody = by.may(Action.MANAGE_USERS)
        found = user_management.list_users(session, by) if everybody else [session.get_one(User, by.user_id)]
        of_practice = {
            "name": practice.name,
            "claim_limit_cents": limit_as_json(practice.claim_limit_cents),
            "job_limit_cents": limit_as_json(practice.job_limit_cents),
        }
        of_people = [_user_facts(person) for person in found if person.active]
    if as_json:
        click.echo(json.dumps({"practice": of_practice, "users": of_people}))
        return
    for who, one in [(of_practice["name"], of_practice), *((person["email"], person) for person in of_people)]:
        click.echo(f"{who:<40} claim {_limit(one['claim_limit_cents'])}, job {_limit(one['job_limit_cents'])}")


def _run_user_command(who: str, email: str, act: Callable[..., User]) -> None:
    with options.sessions() as sessions, transaction(sessions) as session:
        by: Actor = options.find_actor(session, email)
        act(session, _user_id(session, who, by), by=by, now=context.utc_now())


def _user_id(session: Session, who: str, by: Actor) -> int:
    return user_management.find_by_email(session, who, by=by).id


def _user_facts(person: User) -> dict[str, Any]:
    return {
        "id": str(person.id),
        "email": person.email,
        "name": person.name,
        "role": person.role.value,
        "active": person.active,
        "claim_limit_cents": limit_as_json(person.claim_limit_cents),
        "job_limit_cents": limit_as_json(person.job_limit_cents),
    }


def _limit(limit: int | str) -> str:
    return limit if isinstance(limit, str) else format_limit(limit)


COMMANDS = [user, set_limit, show_limits]

"""`settle single-sign-on`: the practice's identity provider."""

import sys
from typing import Any

import click

from core.cli import context, database, practices
from core.cli.client import Api
from core.cli.user_command import user_command
from core.enums.people import Role
from core.errors import BadInput
from core.practices import practice_queries
from core.settings import load_settings
from core.single_sign_on import check, settings
from core.single_sign_on.settings import NoSingleSignOn
from core.single_sign_on.wanted import GroupToRole
from core.single_sign_on.web_client import WebClient


class BadGroup(BadInput):
    """Write each group as GROUP=ROLE, with the role biller, approver, admin or ops."""


@click.group("single-sign-on")
def single_sign_on() -> None:
    """Show, set and test the practice's identity provider."""


def _say(seen: dict[str, Any]) -> str:
    on, passwords = ("on" if seen[name] else "off" for name in ("active", "password_sign_in"))
    lines = [
        f"Single sign-on is {on}, passwords are {passwords}.",
        f"Issuer: {seen['issuer']}   client ID: {seen['client_id']}",
        f"Redirect address: {seen['redirect_uri']}",
        f"E-mail domains: {', '.join(seen['domains'])}",
        *(f"Group {one['group']}: {one['role']}" for one in seen["groups"]),
    ]
    return "\n".join(lines)


@user_command(_say, group=single_sign_on)
def show(api: Api) -> Any:
    """Show the identity provider of your practice."""
    return api.get("/single-sign-on")


@single_sign_on.command("test")
@practices.practice_option
def test(practice_name: str) -> None:
    """Ask the identity provider from the server for its addresses and keys, and say what is wrong."""
    with database.sessions() as sessions, sessions() as session:
        found = settings.overview(session, practice_queries.find_by_name(session, practice_name).id)
    if found is None:
        raise NoSingleSignOn
    click.echo(check.words(check.test(found.settings.issuer, WebClient(load_settings().webhook_reach))))


@single_sign_on.command("set")
@practices.practice_option
@click.option("--issuer", metavar="URL", help="As the identity provider writes it.")
@click.option("--client-id", metavar="ID")
@click.option("--ask-secret", is_flag=True, help="Ask for the client secret, or read it from standard input.")
@click.option("--domain", "domains", multiple=True, help="E-mail domain of first sign-ins. Repeat for more.")
@click.option("--groups-claim", metavar="NAME", help="The claim with the groups.")
@click.option("--group", "groups", multiple=True, metavar="GROUP=ROLE", help="Repeat for more. The first one decides.")
@click.option("--add-users/--no-add-users", "adds_users", default=None, help="Add users at their first sign-in.")
@click.option("--second-factor/--no-second-factor", "asks_second_factor", default=None,
              help="Whether each sign-in there counts as a second factor.")  # fmt: skip
@click.option("--on/--off", "active", default=None)
def set_(practice_name: str, ask_secret: bool, groups: tuple[str, ...], **given: Any) -> None:
    """Set the identity provider on the server. What is left out stays.

    A setting by this command counts as no user's act, so no user controls the accounts that sign in by it.
    """
    wanted: dict[str, Any] = {"client_secret": _read_secret() if ask_secret else None}
    wanted |= {name: value for name, value in given.items() if value not in (None, ())}
    if groups:
        wanted["groups"] = [_group(one) for one in groups]
    with database.transaction() as session:
        practice_id = practice_queries.find_by_name(session, practice_name).id
        before = settings.wanted_of(settings.overview(session, practice_id))
        settings.save(
            session, before._replace(**wanted), reach=load_settings().webhook_reach,
            practice_id=practice_id, by=None, now=context.utc_now(),
        )  # fmt: skip
    click.echo(f"Single sign-on for {practice_name.strip()} is saved. Test it with `settle single-sign-on test`.")


@single_sign_on.command("passwords-on")
@practices.practice_option
def passwords_on(practice_name: str) -> None:
    """Let passwords sign in again, for example if the identity provider fails."""
    with database.transaction() as session:
        practice_id = practice_queries.find_by_name(session, practice_name).id
        settings.turn_passwords_on(session, practice_id, now=context.utc_now())
    click.echo(
        f"Passwords sign in to {practice_name.strip()}. A user without one asks for a link on the sign-in page, or an "
        "administrator creates one. `settle user add` adds an administrator."
    )


def _read_secret() -> str:
    typed: str = click.prompt("Client secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    return typed


def _group(text: str) -> GroupToRole:
    group, _, role = text.rpartition("=")
    if not group or role not in set(Role):
        raise BadGroup
    return GroupToRole(group, Role(role))


COMMANDS = [single_sign_on]

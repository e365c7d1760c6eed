"""Sign in to a server, and sign out."""

import click

from core.cli import saved_login
from core.cli.client import Api
from core.cli.saved_login import SavedLogin
from core.cli.user_command import allow_http_option, choose_server, server_option
from core.errors import Refusal


@click.command()
@server_option
@allow_http_option
@click.option("--email", help="Your e-mail address. Without it, the command asks.")
def login(server: str | None, allow_http: bool, email: str | None) -> None:
    """Sign in. Later commands act for you, until `settle logout`.

    The command asks for your password and saves an API token in a private file. Programs set SETTLE_SERVER and
    SETTLE_TOKEN instead.
    """
    before = saved_login.load()
    url = choose_server(server, before, allow_http=allow_http)
    click.echo(f"Sign in to {url}.", err=True)
    with Api(url) as api:
        who = email or click.prompt("E-mail", err=True)
        answer = api.post("/login", {"email": who, "password": click.prompt("Password", hide_input=True, err=True)})
    is_allowed = allow_http or bool(before and before.allow_http and before.server == url)
    saved_login.save(SavedLogin(url, answer["email"], answer["token"], is_allowed))
    click.echo(f"You are signed in to {url} as {answer['email']}, practice {answer['practice']}.")
    if before is not None:
        _revoke(before)


@click.command()
def logout() -> None:
    """Sign out.

    The command revokes the token that `settle login` created and removes it from this machine.
    """
    login = saved_login.load()
    if login is None:
        click.echo("You are not signed in.")
        return
    saved_login.remove()
    _revoke(login)
    click.echo(f"You are signed out of {login.server}.")


def _revoke(login: SavedLogin) -> None:
    """Revoke the token, or say that it may still be valid."""
    try:
        with Api(login.server, login.token) as api:
            api.post("/logout")
    except Refusal as refusal:
        click.echo(f"The token for {login.email} was not revoked. {refusal.message}", err=True)


COMMANDS = [login, logout]

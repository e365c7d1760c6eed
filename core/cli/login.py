"""Sign in to a server, and sign out."""

from typing import Any, Final

import click

from core.access.passwords import PASSWORD_CHARACTERS_MIN
from core.cli import saved_login
from core.cli.client import Api, ServerRefused
from core.cli.saved_login import SavedLogin
from core.cli.user_command import allow_http_option, choose_server, server_option, user_command
from core.errors import Refusal

_CHANGE_NEEDED: Final = "password_change_needed"
_CODE_NEEDED: Final = "code_needed"


@click.command()
@server_option
@allow_http_option
@click.option("--email", help="Your e-mail address. Without it, the command asks.")
def login(server: str | None, allow_http: bool, email: str | None) -> None:
    """Sign in. Later commands act for you, until `settle logout`.

    The command asks for your password, and for a code if you have a second factor. It saves an API token in a private
    file. Programs set SETTLE_SERVER and SETTLE_TOKEN instead.
    """
    before = saved_login.load()
    url = choose_server(server, before, allow_http=allow_http)
    click.echo(f"Sign in to {url}.", err=True)
    with Api(url) as api:
        who = email or click.prompt("E-mail", err=True)
        answer = _sign_in(api, {"email": who, "password": click.prompt("Password", hide_input=True, err=True)})
    is_allowed = allow_http or bool(before and before.allow_http and before.server == url)
    saved_login.save(SavedLogin(url, answer["email"], answer["token"], is_allowed))
    click.echo(f"You are signed in to {url} as {answer['email']}, practice {answer['practice']}.")
    if before is not None:
        _revoke(before)


def _sign_in(api: Api, given: dict[str, str]) -> Any:
    """Sign in, and ask for the new password or code that the server needs besides."""
    try:
        return api.post("/login", given)
    except ServerRefused as refusal:
        if refusal.server_code == _CHANGE_NEEDED:
            click.echo("The password that you were given works only once. Choose your own.", err=True)
            return _sign_in(api, {**given, "new_password": _ask_new_password()})
        if refusal.server_code == _CODE_NEEDED and "code" not in given:
            password = given.get("new_password", given["password"])  # a new one is already saved
            click.echo(refusal.message, err=True)  # which names the codes that the user has
            code = click.prompt("Code", err=True)
            return _sign_in(api, {"email": given["email"], "password": password, "code": code})
        raise


def _ask_new_password() -> str:
    answer: str = click.prompt(
        f"New password (at least {PASSWORD_CHARACTERS_MIN} characters)", hide_input=True, confirmation_prompt=True,
        err=True,
    )  # fmt: skip
    return answer


@user_command(lambda _: "Your password is changed. Your browsers are signed out.", name="password", json_too=False)
@click.option("--keep-tokens", is_flag=True, help="Keep your other API tokens valid.")
def change_password(api: Api, keep_tokens: bool) -> Any:
    """Change your password.

    The command asks for the current password and the new one. Your browsers are signed out. Your API tokens are
    revoked, except the one that the command uses.
    """
    old = click.prompt("Current password", hide_input=True, err=True)
    body = {"password": old, "new_password": _ask_new_password(), "keep_tokens": keep_tokens}
    return api.send("PUT", "/account/password", body=body)


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


COMMANDS = [login, logout, change_password]

"""Declare a command that acts for a signed-in user: it asks the API, and prints the answer as text or JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Final

import click

from core.cli import context, formats, saved_login
from core.cli.client import Api, NotSignedIn
from core.cli.options import json_option
from core.cli.server_address import checked_url
from core.settings import load_settings

server_option: Final = click.option(
    "--server", metavar="URL", help="The server.  [default: the one from `settle login`, or the one running here]"
)
allow_http_option: Final = click.option(
    "--allow-http", is_flag=True, help="Allow a server on another machine without TLS. The token is sent unencrypted."
)

Ask = Callable[..., Any]


def user_command(
    text: Callable[[Any], str],
    *,
    name: str | None = None,
    group: click.Group | None = None,
    succeeds: Callable[[Any], bool] = lambda _: True,
    json_too: bool = True,
) -> Callable[[Ask], click.Command]:
    """Turn a function into a command. The function takes an `Api` and the options, and returns an answer.

    `text` formats the answer for people; an empty text is not printed. `json_too` adds the option --json. The exit code
    is 0 if the answer `succeeds`.
    """

    def wrap(ask: Ask) -> click.Command:
        @wraps(ask)
        def command(server: str | None, allow_http: bool, as_json: bool = False, **given: Any) -> None:
            with open_api(server, allow_http=allow_http) as api:
                formats.use_time_zone_of(api)
                try:
                    answer = ask(api, **given)
                    shown = json.dumps(answer) if as_json else text(answer)
                except KeyError as missing:
                    raise api.other_version(f"it has no {missing}") from missing
            if shown:
                click.echo(shown)
            click.get_current_context().exit(0 if succeeds(answer) else 1)

        for option in (json_option, allow_http_option, server_option)[not json_too :]:
            command = option(command)
        return (group.command if group else click.command)(name)(command)

    return wrap


@contextmanager
def open_api(server: str | None, *, allow_http: bool) -> Iterator[Api]:
    """Yield the API of the chosen server as the signed-in user. Raise `NotSignedIn` and `BadServer`."""
    saved = saved_login.load()
    url = choose_server(server, saved, allow_http=allow_http)
    given = load_settings().token
    token = given.get_secret_value() if given else saved.token if saved and saved.server == url else None
    if token is None:
        raise NotSignedIn(f"You are not signed in to {url}. Run: settle login --server {url}")
    with Api(url, token) as api:
        yield api


def choose_server(server: str | None, saved: saved_login.SavedLogin | None, *, allow_http: bool) -> str:
    """Return the URL of the given server, the saved sign-in, or the server running here. Raise `NotSignedIn`."""
    named = server or load_settings().server
    if named is None and saved is not None:
        return checked_url(saved.server, allow_http=allow_http or saved.allow_http)
    if named is None:
        running = context.find_running_servers()
        if running is None:
            raise NotSignedIn(
                "You are not signed in, and Batch Settle is not running here. Run: settle login --server URL"
            )
        named = running.web_url
    allowed = allow_http or (saved is not None and saved.allow_http and saved.server == named)
    return checked_url(named, allow_http=allowed)

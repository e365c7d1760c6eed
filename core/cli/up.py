"""`settle up`: run everything on this machine until Ctrl-C."""

from contextlib import suppress
from pathlib import Path

import click

from core.cli.context import utc_now
from core.local.run_lock import RunningServers
from core.local.sample_practice import SignIn
from core.local.supervisor import Screen, Supervisor
from core.settings import load_settings


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="The web server's port.  [default: 8000]")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Data folder.  [default: var]")
@click.option("--no-sample", is_flag=True, help="Do not create the sample practice in an empty database.")
def up(port: int | None, data_dir: Path | None, no_sample: bool) -> None:
    """Run everything on this machine until Ctrl-C.

    To use existing servers, set SETTLE_DATABASE_URL and SETTLE_BROKER_URL. If a URL is not set, the command starts
    that server itself and keeps its files in the data folder.
    """
    chosen = {"web_port": port, "data_dir": data_dir}
    with_choices = load_settings().model_copy(
        update={name: value for name, value in chosen.items() if value is not None}
    )
    _say("Batch Settle is starting …")
    Supervisor(with_choices, with_sample=not no_sample, screen=Screen(_say, _show_ready), clock=utc_now).run()
    _say("Stopped.")


def _say(line: str) -> None:
    # A closed terminal, or a signal in the middle of a line, must not prevent the shutdown.
    with suppress(OSError, RuntimeError):
        click.echo(line)


def _show_ready(servers: RunningServers, sign_in: SignIn | None, data_dir: Path) -> None:
    # At the address, browsers allow no passkeys. At the name, they do.
    web_url = servers.web_url.replace("//127.0.0.1:", "//localhost:")
    rows = [("Pages", web_url)]
    if sign_in is not None:
        rows.append(("Sign in", f"{sign_in.email}   password: {sign_in.password}"))
        rows.append(("", "the sample practice requires no second factor; your own practice does"))
    rows.append(("Commands", f"settle login --server {web_url}   then: settle --help"))
    rows.append(("API", f"{web_url}/api/v1/docs   token: settle token add EMAIL"))
    rows.append(("Flower", f"{servers.flower_url}   user: ops   password: in {data_dir / 'flower_password'}"))
    rows.append(("Data, logs", f"{data_dir}, {data_dir / 'log'}"))
    _say("\nBatch Settle is ready.\n")
    for name, value in rows:
        _say(f"  {name:<12}{value}")
    _say("\nPress Ctrl-C to stop everything.\n")


COMMANDS = [up]

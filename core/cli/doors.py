"""One process each, for containers: the command becomes the program, so that signals reach it directly."""

import os
from collections.abc import Mapping
from typing import NoReturn

import click

from core.cli import context
from core.db.migrating import migrate as migrate_database
from core.local import programs
from core.settings import settings


@click.command()
def migrate() -> None:
    """Bring the database to this version."""
    with context.database() as engine:
        migrate_database(engine.url.render_as_string(hide_password=False))
    click.echo("The database is up to date.")


@click.command()
def web() -> None:
    """Serve the pages and the API."""
    _become(programs.web(settings()))


@click.command()
@click.option("--queue", type=click.Choice(programs.QUEUES), default=programs.QUEUES[0], show_default=True)
@click.option("--name", help="Needed where two workers of one queue run on one host.")
def worker(queue: str, name: str | None) -> None:
    """Work off one queue: settle (chunks and previews) or control (sweep and tick)."""
    _become(programs.worker(queue, settings(), name=name))


@click.command()
def beat() -> None:
    """Send the sweep's hint every few seconds; more than one of them does no harm."""
    _become(programs.beat(settings()))


@click.command()
def flower() -> None:
    """Show workers and hints, read-only, to whom SETTLE_FLOWER_BASIC_AUTH (user:password) lets in."""
    if settings().flower_basic_auth is None:
        raise click.UsageError("Set SETTLE_FLOWER_BASIC_AUTH to user:password; Flower is never open to everyone.")
    _become(programs.flower(settings()), programs.flower_environment(settings()))


def _become(argv: list[str], more: Mapping[str, str] | None = None) -> NoReturn:
    servers = {"SETTLE_DATABASE_URL": context.database_url(), "SETTLE_BROKER_URL": context.broker_url()}
    os.execve(argv[0], argv, {**os.environ, **servers, **(more or {})})  # noqa: S606 – signals reach it without a shell


COMMANDS = [migrate, web, worker, beat, flower]

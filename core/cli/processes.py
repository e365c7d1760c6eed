"""Commands that become one process each, for containers, so that signals reach the program directly."""

import os
import signal
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

import click
import structlog

from core import logs
from core.cli import context, options
from core.db import roles
from core.db.engine import make_engine
from core.local import health_file, programs
from core.migrations.wait import wait_until_migrated
from core.settings import load_settings


@click.command()
def web() -> None:
    """Run the web server for the pages and the API."""
    _exec_program(programs.web(load_settings()), context.web_database_url())


@click.command()
@click.option("--queue", type=options.choice(programs.QUEUES), default=programs.QUEUES[0], show_default=True)
@click.option("--name", help="A unique name, needed if two workers on one queue run on one host.")
def worker(queue: str, name: str | None) -> None:
    """Run a worker on one queue.

    The settle queue is for chunks, previews, imports and mail. The control queue is for the sweep and the tick.
    """
    _wait_until_migrated()
    _exec_program(programs.worker(queue, load_settings(), name=name), context.worker_database_url())


@click.command()
def beat() -> None:
    """Run beat, Celery's scheduler.

    Every ten seconds, it sends hints for the sweep and the tick. A second beat does no harm.
    """
    _wait_until_migrated()
    _exec_program(programs.beat(load_settings()), context.worker_database_url())


@click.command()
def flower() -> None:
    """Run Flower, a read-only view of workers and hints.

    SETTLE_FLOWER_BASIC_AUTH sets its user and password (user:password).
    """
    if load_settings().flower_basic_auth is None:
        raise click.UsageError("Set SETTLE_FLOWER_BASIC_AUTH to user:password. Flower never runs without a password.")
    auth = programs.flower_environment(load_settings())
    _exec_program(programs.flower(load_settings()), context.worker_database_url(), auth)


def _wait_until_migrated() -> None:
    """Wait until the database is reachable and migrated. SIGTERM and SIGINT end the process with code 0."""
    logs.configure(load_settings().log_level)
    before = {number: signal.signal(number, _exit_on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    engine = make_engine(context.worker_database_url(), pool_size=1)
    wait_until_migrated(engine, roles.WORKER, pause=_pause)
    engine.dispose()
    for number, handler in before.items():
        signal.signal(number, handler)


def _pause(seconds: float) -> bool:
    health_file.touch()
    time.sleep(seconds)
    return False


def _exit_on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    structlog.get_logger(__name__).info("stopped_while_waiting")
    sys.exit(0)


def _exec_program(argv: list[str], database_url: str, more: Mapping[str, str] | None = None) -> NoReturn:
    servers = {"SETTLE_DATABASE_URL": database_url, "SETTLE_BROKER_URL": context.broker_url()}
    os.execve(argv[0], argv, {**os.environ, **servers, **(more or {})})  # noqa: S606 – signals reach it without a shell


COMMANDS = [web, worker, beat, flower]

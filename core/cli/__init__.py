"""The `settle` command: one module for each family of commands, each with a list `COMMANDS`."""

import importlib
import os
import pkgutil
from functools import cache
from typing import Final

import click

from core.errors import Refusal

# Where a command is, so that running one does not import all: a worker's container starts in half the time.
# A name that is not here is found by looking through every module; a test holds the table to what they declare.
MODULES: Final = {
    "up": "up",
    "migrate": "doors", "web": "doors", "worker": "doors", "beat": "doors", "flower": "doors",
    "confirm": "jobs", "retry-failed": "jobs", "pause": "jobs", "resume": "jobs", "cancel": "jobs", "discard": "jobs",
    "preview": "previews", "show": "previews",
    "verify": "verify",
}  # fmt: skip

TRACE: Final = (
    "SETTLE_TRACE"  # shows an error's words; no field of the settings, since reading those may be what breaks
)


class Commands(click.Group):
    """A group that imports a command when it is run, and turns whatever breaks into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a wrong use of it is exit code 2."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            click.echo(refusal.message, err=True)
            ctx.exit(1)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # click's own, which it tells itself
        except Exception as error:
            if os.environ.get(TRACE):
                raise
            click.echo(_without_its_words(error), err=True)
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Every command's name."""
        return sorted(_all())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """The command, from its own module alone where the table says which."""
        module = MODULES.get(cmd_name)
        return _of_module(module)[cmd_name] if module else _all().get(cmd_name)


def _without_its_words(error: Exception) -> str:
    """Which error and where. Its own words may hold a patient's row, and a night's output is kept in a file."""
    from core.logs import facts_of  # when something broke is early enough for the log's libraries

    told = facts_of(error)
    code = f" ({told['sqlstate']})" if told["sqlstate"] else ""
    return (
        f"The command broke: {told['error']}{code} at {', '.join(told['at'])}. "
        f"The error's own words may name a patient, so they are left out; {TRACE}=1 shows them to you alone."
    )


@cache
def _of_module(module: str) -> dict[str, click.Command]:
    commands = getattr(importlib.import_module(f"{__name__}.{module}"), "COMMANDS", ())
    return {command.name: command for command in commands}


@cache
def _all() -> dict[str, click.Command]:
    modules = (module.name for module in pkgutil.iter_modules(__path__) if module.name != "__main__")
    return {name: command for module in modules for name, command in _of_module(module).items()}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="batch-settle", message="settle %(version)s")
def main() -> None:
    """Batch settlement of medical claims."""

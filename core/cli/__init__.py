"""The `settle` command: one module for each family of commands, each with a list `COMMANDS`."""

import importlib
import pkgutil

import click

from core.errors import Refusal


class Commands(click.Group):
    """A group that turns a refusal into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a wrong use of it is exit code 2."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            click.echo(refusal.message, err=True)
            ctx.exit(1)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="batch-settle", message="settle %(version)s")
def main() -> None:
    """Batch settlement of medical claims."""


for _module in sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name != "__main__"):
    for _command in getattr(importlib.import_module(f"{__name__}.{_module}"), "COMMANDS", ()):
        main.add_command(_command)

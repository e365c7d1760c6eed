"""The `settle` command. Each module of commands has a list `COMMANDS`."""

import importlib
import os
import traceback
from functools import cache
from typing import Final

import click

from core.errors import Refusal

# The commands of each module, so that running one command imports one module. A test checks the table.
_MODULES: Final = {
    "access": ("token", "write-off-setting"),
    "aging": ("aging",),
    "approvals": ("approvals",),
    "audit": ("audit",),
    "corrections": ("refund", "transfer-credit", "void"),
    "credits": ("credits",),
    "migrate": ("migrate",),
    "processes": ("beat", "flower", "web", "worker"),
    "folders": ("folder",),
    "job_files": ("certificate", "download"),
    "job_list": ("jobs",),
    "holds": ("end-exclusion", "exclude", "exclusions", "hold", "holds", "release"),
    "intake": ("import", "sample"),
    "jobs": ("approve", "cancel", "confirm", "discard", "pause", "reject", "rename", "resume", "retry-failed"),
    "login": ("login", "logout", "password"),
    "months": ("month",),
    "operations": ("operations",),
    "users": ("limit", "limits", "one-person", "second-factor", "user"),
    "posting_requests": ("posting-request",),
    "postings": ("ledger", "post"),
    "previews": ("preview", "reverse", "show"),
    "reasons": ("reason",),
    "recoveries": ("recoveries",),
    "remittances": ("remittances",),
    "reports": ("report",),
    "review": ("review",),
    "rule_limits": ("rule-limit", "rule-limits"),
    "schedules": ("schedule", "time-zone"),
    "single_sign_on": ("single-sign-on",),
    "up": ("up",),
    "verify": ("verify",),
    "watch": ("watch",),
    "webhooks": ("notices", "webhook"),
    "write_offs": ("write-offs",),
    "x12": ("x12",),
}
MODULE_OF: Final = {name: module for module, names in _MODULES.items() for name in names}
# Commands that need neither a server nor a database.
LOCAL: Final = ("x12 check",)
# Commands that read the database or start a process. Every other command is a client of the HTTP API.
ON_THE_SERVER: Final = (
    "beat", "flower", "folder list", "folder stop", "folder watch", "import csv", "import file", "import postings",
    "import synthea", "import x12", "migrate", "operations", "sample", "single-sign-on passwords-on",
    "single-sign-on set", "single-sign-on test", "token", "up", "user add", "verify", "web",
    "worker", "write-off-setting",
)  # fmt: skip

_SENTENCE_CHARACTERS: Final = 200  # of a command in a list of commands; click cuts off longer ones
TRACE_VARIABLE: Final = (
    "SETTLE_TRACE"  # shows an error's text; not a field of the settings, because reading those may be what fails
)


class Commands(click.Group):
    """A group that imports a command when it runs, and turns any error into one line and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Exit with code 2 if the usage is wrong."""
        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            click.echo(refusal.message, err=True)
            if os.environ.get(TRACE_VARIABLE) and refusal.__cause__ is not None:
                click.echo("".join(traceback.format_exception(refusal.__cause__)), err=True, nl=False)
            ctx.exit(1)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise  # click reports these itself
        except Exception as error:
            if os.environ.get(TRACE_VARIABLE):
                raise
            click.echo(_redact_error(error), err=True)
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's own signature
        """Return the names of all commands."""
        return sorted(MODULE_OF)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  as above
        """Return the command from its own module."""
        return _commands_of_module(MODULE_OF[cmd_name])[cmd_name] if cmd_name in MODULE_OF else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands under three headings: who may run them, and where."""
        elsewhere = {*ON_THE_SERVER, *(name.split()[0] for name in LOCAL)}
        for_users = [name for name in self.list_commands(ctx) if name not in elsewhere]
        headings = {"For a signed-in user": for_users, "On the server": ON_THE_SERVER, "On any machine": LOCAL}
        for heading, names in headings.items():
            with formatter.section(heading):
                formatter.write_dl([(name, self._short_help(ctx, name)) for name in names])

    def _short_help(self, ctx: click.Context, name: str) -> str:
        command: click.Command | None = self
        for word in name.split():
            command = command.get_command(ctx, word) if isinstance(command, click.Group) else None
        return command.get_short_help_str() if command else ""


def _redact_error(error: Exception) -> str:
    """Return the class and location of the error. Its text may contain a patient's data."""
    # Imported only on an error, because the log's libraries are slow to import.
    from core.db import causes
    from core.logs import error_facts

    cause = causes.diagnose(error)
    if cause is not None:
        return cause.sentence
    facts = error_facts(error)
    code = f" ({facts['sqlstate']})" if facts["sqlstate"] else ""
    return (
        f"The command failed: {facts['error']}{code} at {', '.join(facts['at'])}. "
        f"The error text may name a patient, so it is hidden. To show it on your terminal, set {TRACE_VARIABLE}=1."
    )


@cache
def _commands_of_module(module: str) -> dict[str, click.Command]:
    commands = importlib.import_module(f"{__name__}.{module}").COMMANDS
    for command in commands:
        _keep_sentences_whole(command)
    return {command.name: command for command in commands}


def _keep_sentences_whole(command: click.Command) -> None:
    # Otherwise click cuts the sentence off where the line ends.
    command.short_help = command.short_help or command.get_short_help_str(limit=_SENTENCE_CHARACTERS)
    for part in getattr(command, "commands", {}).values():
        _keep_sentences_whole(part)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="batch-settle", message="settle %(version)s")
def main() -> None:
    """Batch settlement of medical claims."""

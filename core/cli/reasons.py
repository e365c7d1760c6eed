"""`settle reason`: the practice's own reasons for write-offs."""

from typing import Any, Final
from urllib.parse import quote

import click

from core.cli import options
from core.cli.client import Api
from core.cli.user_command import user_command
from core.enums.ledger import WriteOffReason


@click.group()
def reason() -> None:
    """List, add, change and retire the practice's reasons for write-offs."""


_code_argument: Final = click.argument("code")


def _code_options(command: Any) -> Any:
    for option in (
        click.option("--gl-account", help="GL account."),
        click.option("--adjustment-code", help="Code in your practice-management system."),
    ):
        command = option(command)
    return command


def _line(one: dict[str, Any]) -> str:
    kind = one["kind"].replace("_", " ")
    codes = [f"adjustment code {one['adjustment_code']}"] if one["adjustment_code"] else []
    codes += [f"GL account {one['gl_account']}"] if one["gl_account"] else []
    return ", ".join([f"{one['code']}  {one['name']} ({kind})", *codes, *(["retired"] if one["retired_at"] else [])])


@user_command(lambda found: "\n".join(map(_line, found["reasons"])), name="list", group=reason)
@click.option("--all", "every", is_flag=True, help="Include retired reasons.")
def list_(api: Api, every: bool) -> Any:
    """List the reasons. The first word on each line is the code, which other commands take."""
    return api.get("/write-off-reasons", all="true" if every else None)


@user_command(_line, group=reason)
@click.argument("name")
@click.option("--kind", required=True, type=options.choice(WriteOffReason),
              help="The built-in kind, which decides which rules apply.")  # fmt: skip
@_code_options
def add(api: Api, **given: Any) -> Any:
    """Add a reason."""
    return api.post("/write-off-reasons", {key: value for key, value in given.items() if value is not None})


@user_command(_line, group=reason)
@_code_argument
@click.option("--name", help="New name.")
@_code_options
def change(api: Api, code: str, **given: Any) -> Any:
    """Change a reason's name or codes. Existing jobs keep the name and codes from their preview."""
    return api.send("PUT", f"/write-off-reasons/{quote(code, safe='')}", body=given)


@user_command(_line, group=reason)
@_code_argument
def retire(api: Api, code: str) -> Any:
    """Stop offering a reason. Jobs that use it keep it."""
    return api.post(f"/write-off-reasons/{quote(code, safe='')}/retire")


@user_command(_line, group=reason)
@_code_argument
def restore(api: Api, code: str) -> Any:
    """Offer a retired reason again."""
    return api.post(f"/write-off-reasons/{quote(code, safe='')}/restore")


COMMANDS = [reason]

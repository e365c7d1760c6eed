"""Manage the users of a practice and the approval limits."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import click

from core.cli import formats, options
from core.cli.access import user
from core.cli.client import Api
from core.cli.user_command import user_command
from core.counting import counted
from core.enums.people import Role
from core.money import limit_as_json

_email_argument = click.argument("email")
_which_argument = click.argument("which", type=options.choice(["claim", "job"]))
_amount_argument = click.argument("amount", **options.LIMIT_OPTION)
_NOT_RETROACTIVE: Final = "Existing previews keep their old limits. A raised limit applies after 24 hours."


def _money(limits: dict[str, Any]) -> str:
    claim, job = (limits.get(f"{which}_limit_cents", limits.get(f"{which}_cents")) for which in ("claim", "job"))
    return f"claim {formats.limit(claim)}, job {formats.limit(job)}"  # type: ignore[arg-type]  # at least one is set


def _list_users(answer: dict[str, Any]) -> str:
    return "\n".join(
        f"{one['email']:<40} {one['role']:<9} {_money(one)}{'' if one['active'] else ', deactivated'}"
        for one in answer["users"]
    )


@user_command(_list_users, name="list", group=user)
def list_users(api: Api) -> Any:
    """List the practice's users with their roles and limits."""
    return api.get("/users")


def _say_role(one: dict[str, Any]) -> str:
    return f"{one['email']} now has the role {one['role']}."


def _say_link(made: dict[str, Any]) -> str:
    expires = formats.moment(made["password_link_expires_at"])
    return formats.password_link(made["password_link"], expires=expires, mailed=made["password_link_mailed"])


@user_command(_say_link, name="password-link", group=user)
@_email_argument
def make_password_link(api: Api, email: str) -> Any:
    """Create a link with which another user sets a new password.

    The current password works until then. Earlier links no longer work.
    """
    return api.post(_path(email, "password-link"))


@user_command(_say_role, name="role", group=user)
@_email_argument
@click.argument("role", type=options.choice(Role))
def change_role(api: Api, email: str, role: str) -> Any:
    """Change another user's role. You can't change your own."""
    return api.send("PUT", _path(email, "role"), body={"role": role})


@user_command(lambda one: f"Limits for {one['email']}: {_money(one)}. {_NOT_RETROACTIVE}", name="limit", group=user)
@_email_argument
@_which_argument
@_amount_argument
def set_user_limit(api: Api, email: str, which: str, amount: int) -> Any:
    """Set another user's approval limit.

    The limit is the max write-off per claim or per job without approval, in dollars or unlimited.
    """
    return api.send("PATCH", _path(email, "limits"), body=_limit(which, amount))


def _add_user_command(act: str, help_: str, text: Callable[[Any], str], *, deletes: str = "") -> None:
    """Add a command that does `act`, or that deletes something of the user."""

    @_email_argument
    def command(api: Api, email: str) -> Any:
        return api.send("DELETE", _path(email, deletes)) if deletes else api.post(_path(email, act))

    command.__doc__ = help_
    user_command(text, name=act, group=user)(command)


_add_user_command(
    "sign-out", "Sign another user out of all browsers. Their API tokens stay valid.",
    lambda one: f"{one['email']} is signed out of all browsers.", deletes="sessions",
)  # fmt: skip
_add_user_command(
    "reset-factor", "Remove the second factor of another user who lost it, and sign them out of all browsers.",
    lambda one: f"{one['email']} has no second factor and is signed out.", deletes="second-factor",
)  # fmt: skip
_add_user_command(
    "unlink",
    "Unlink another user from the identity provider, and sign them out of all browsers.\n\n"
    "Their next single sign-on with the same e-mail address links the account again.",
    lambda one: f"{one['email']} is unlinked and signed out.", deletes="identity",
)  # fmt: skip
_add_user_command(
    "deactivate",
    "Deactivate another user.\n\nThey are signed out of every browser, and their API tokens are revoked permanently.",
    lambda one: f"{one['email']} is deactivated. All sessions were ended and all API tokens were revoked.",
)
_add_user_command(
    "reactivate",
    "Reactivate a user. Their tokens stay revoked.",
    lambda one: f"{one['email']} can sign in again. Their API tokens stay revoked.",
)

_add_user_command(
    "vouch",
    "Vouch that an account is not a second account of the user who added or changed it.\n\nIt can then approve that "
    "user's jobs. You must be independent of that user. The account's browser sessions, API tokens and password link "
    "end.",
    lambda one: f"You vouched for {one['email']}. No user controls this account, and its sessions and tokens ended.",
)


@user_command(lambda seen: f"Limits for {seen['practice']}: {_money(seen)}. {_NOT_RETROACTIVE}", name="limit")
@_which_argument
@_amount_argument
def set_limit(api: Api, which: str, amount: int) -> Any:
    """Set the practice's approval limit.

    The limit is the max write-off per claim or per job without approval, in dollars or unlimited. A job over a limit
    needs approval as a whole.
    """
    return api.send("PATCH", "/limits", body=_limit(which, amount))


def _list_limits(seen: dict[str, Any]) -> str:
    rows = [(seen["practice"], seen), *((one["email"], one) for one in seen["users"])]
    lines = [f"{who:<40} {_money(limits)}" for who, limits in rows]
    return "\n".join([*lines, *([_say_one_person(seen)] if seen["one_person"] else [])])


def _say_one_person(seen: dict[str, Any]) -> str:
    chosen = seen["one_person"]
    if chosen is None:
        return f"Jobs over a limit in {seen['practice']} need approval by another user."
    applies_from = formats.moment(chosen["applies_from"])
    return (
        f"One person works in {seen['practice']}, as {chosen['chosen_by'] or 'a user'} chose. From {applies_from}, "
        "that user's jobs over a limit run without approval. This ends when another user could approve them."
    )


@user_command(_list_limits, name="limits")
def show_limits(api: Api) -> Any:
    """Show the approval limits.

    Administrators see all users' limits; other users see only their own and the practice's. The lower limit
    applies.
    """
    return api.get("/limits")


@user_command(_say_one_person, name="one-person")
@click.argument("choice", type=options.choice(["on", "off"]))
def choose_one_person(api: Api, choice: str) -> Any:
    """Let your jobs over a limit run without approval, because one person works here.

    on is refused if another user could approve your jobs, and ends when another user could. It applies after 24 hours,
    and 30 days after another user last could.
    The audit log, each of these jobs and its certificate show the choice.
    """
    return api.send("PUT", "/limits/one-person", body={"chosen": choice == "on"})


def _say_second_factor(seen: dict[str, Any]) -> str:
    needed = "must have" if seen["required"] else "can have"
    lacking = counted(seen["users_without"], "has none", "have none")
    return (
        f"Approvers and administrators of {seen['practice']} {needed} a second factor; {lacking}.\n"
        "On the pages, users verify at CONFIRM if a job writes off more than "
        f"{formats.limit(seen['large_confirm_cents'])}."
    )


@user_command(_say_second_factor, name="second-factor")
@click.argument("choice", type=options.choice(["required", "optional"]), required=False)
@click.option("--confirm-above", **options.LIMIT_OPTION, help="On the pages, a larger CONFIRM needs verification.")
def second_factor(api: Api, choice: str | None, confirm_above: int | None) -> Any:
    """Show or change whether approvers and administrators need a second factor."""
    changes: dict[str, Any] = {} if choice is None else {"required": choice == "required"}
    if confirm_above is not None:
        changes["large_confirm_cents"] = limit_as_json(confirm_above)
    return api.send("PATCH", "/second-factor", body=changes) if changes else api.get("/second-factor")


def _path(email: str, what: str) -> str:
    return f"/users/{quote(email, safe='@')}/{what}"


def _limit(which: str, amount: int) -> dict[str, Any]:
    return {f"{which}_cents": limit_as_json(amount)}


COMMANDS = [user, set_limit, show_limits, choose_one_person, second_factor]

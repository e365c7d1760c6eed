"""Users who sign in, API tokens, and the Balance Writeoff setting."""

import datetime as dt
import json
import sys
from typing import Any

import click
from sqlalchemy.orm import Session

from core.access import password_links, passwords, tokens, users
from core.access.password_links import NewLink
from core.access.permissions import ALL_SCOPES, Scope
from core.cli import context, database, formats, options, practices
from core.counting import counted
from core.enums.people import Role
from core.enums.practices import WriteOffSetting
from core.errors import BadInput, NotFound, or_raise
from core.models.people import User
from core.money import format_limit
from core.practices import practice_queries, write_off_setting
from core.practices.create import find_or_create_practice
from core.settings import load_settings


class LimitMissing(BadInput):
    """Set the user's approval limits: add --limit unlimited, or --claim-limit AMOUNT and --job-limit AMOUNT."""


@click.group()
def user() -> None:
    """Add and manage users."""


@user.command("add")
@click.argument("email")
@practices.practice_option
@practices.create_option
@click.option("--role", required=True, type=options.choice(Role))
@click.option("--name", help="The user's display name.  [default: the part of EMAIL before the @]")
@click.option("--limit", **options.LIMIT_OPTION, help="Sets both limits.")
@click.option("--claim-limit", **options.LIMIT_OPTION, help="Max write-off per claim without approval.")
@click.option("--job-limit", **options.LIMIT_OPTION, help="Max write-off per job without approval.")
@click.option("--link", is_flag=True, help="Print a link with which the user sets a password.")
def add_user(
    email: str,
    practice_name: str,
    create: bool,
    role: str,
    name: str | None,
    limit: int | None,
    claim_limit: int | None,
    job_limit: int | None,
    link: bool,
) -> None:
    """Add a user who can sign in.

    At a terminal, the command asks for a password and for limits that are not given. Without a terminal, it generates
    a password, prints it once, and fails if a limit is missing. The user chooses another password at the first
    sign-in. With --link, the command sets no password and prints a link instead.
    """
    limits = _limits(claim=limit if claim_limit is None else claim_limit, job=limit if job_limit is None else job_limit)
    created = practices.may_create(practice_name, create=create)
    typed = _ask_password() if sys.stdin.isatty() and not link else None
    password = None if link else typed or passwords.generate_password()
    with database.transaction() as session:
        practice_id = find_or_create_practice(session, name=practice_name, time_zone=None, now=context.utc_now())
        added = users.add_user(
            session,
            practice_id=practice_id,
            email=email,
            name=name or email.partition("@")[0],
            role=Role(role),
            password=password,
            must_change_password=True,
            **limits,
            now=context.utc_now(),
        )
        made = password_links.replace(session, added, by_mail=False, now=context.utc_now()) if link else None
    if created:
        practices.print_created(practice_name)
    click.echo(f"{added.email} has the role {role} in {practice_name.strip()}. Name: {added.name}.")
    click.echo(
        f"Limits without approval: {format_limit(added.claim_limit_cents)} per claim, "
        f"{format_limit(added.job_limit_cents)} per job. Change them with `settle user limit`."
    )
    if made is not None:
        click.echo(formats.password_link(_page_url(made), expires=context.format_utc(made.expires_at), mailed=False))
    elif typed is None:
        click.echo(f"Password (shown only once, and changed at the first sign-in): {password}")


def _page_url(link: NewLink) -> str:
    """Return the URL of the link, or only its path if the server's URL is unknown."""
    running = context.find_running_servers()
    base = load_settings().public_url or (running.web_url if running else "")
    return f"{base}{password_links.path(link.token)}"


def _limits(**given: int | None) -> dict[str, int]:
    """Return the limits for one claim and one job, and ask for missing ones. Raise `LimitMissing`."""
    if None in given.values() and not sys.stdin.isatty():
        raise LimitMissing
    return {f"{which}_cents": _ask_limit(which) if cents is None else cents for which, cents in given.items()}


def _ask_limit(which: str) -> int:
    asked = f"Max write-off per {which} without approval (dollars, or unlimited)"
    answer: int = click.prompt(asked, type=options.LIMIT)
    return answer


@click.group()
def token() -> None:
    """Manage tokens for the HTTP API."""


@token.command("add")
@click.argument("email")
@click.option("--name", default="", help="What uses the token.")
@click.option(
    "--scope", "scopes", multiple=True, type=options.choice(Scope),
    help="What the token may do, within the user's role; may be repeated.  [default: all]",
)  # fmt: skip
@click.option("--days", default=tokens.DAYS_DEFAULT, show_default=True, help="Days until the token expires.")
def add_token(email: str, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Create a token that acts as the user.

    The token is shown only once, alone on the last line.
    """
    chosen = frozenset(map(Scope, scopes)) or ALL_SCOPES
    with database.transaction() as session:
        owner = _owner(session, email)
        made = tokens.add_token(session, owner, context.utc_now(), name=name, scopes=chosen, days=days)
    click.echo(f"API token for {owner.email}, for {counted(days, 'day')}. It is shown only once:", err=True)
    click.echo(made)


@token.command("list")
@click.argument("email")
@options.json_option
def list_tokens(email: str, as_json: bool) -> None:
    """List a user's tokens, newest first."""
    with database.transaction() as session:
        found = tokens.list_tokens(session, _owner(session, email))
    if as_json:
        shown = [
            {
                "number": one.id,
                "name": one.name,
                "scopes": one.scopes,
                "made_at": one.created_at,
                "used_at": one.used_at,
                "expires_at": one.expires_at,
                "revoked_at": one.revoked_at,
            }
            for one in found
        ]
        click.echo(json.dumps({"tokens": shown}, default=dt.datetime.isoformat))
        return
    for one in found:
        used = f"last used {context.format_utc(one.used_at)}" if one.used_at else "never used"
        ends = f", expires {context.format_utc(one.expires_at)}" if one.expires_at else ""
        state = f", revoked {context.format_utc(one.revoked_at)}" if one.revoked_at else ends
        about = " ".join(filter(None, (one.name, f"({', '.join(one.scopes)})")))
        click.echo(f"{one.id:>6}  {about}: created {context.format_utc(one.created_at)}, {used}{state}")
    if not found:
        click.echo(f"{email} has no API tokens.")


@token.command("revoke")
@click.argument(
    "number", required=False, type=options.RecordNumber("token", where="to find it, run `settle token list EMAIL`")
)
def revoke_token(number: int | None) -> None:
    """Revoke a token.

    Without NUMBER, the command asks for the token itself and does not show what you type.
    """
    leaked = "" if number else click.prompt("Token", hide_input=True)
    with database.transaction() as session:
        now = context.utc_now()
        revoked = tokens.revoke_by_id(session, number, now) if number else tokens.revoke(session, leaked.strip(), now)
    click.echo(f"Token {revoked} is revoked.")


def _owner(session: Session, email: str) -> User:
    return or_raise(
        users.find_by_email(session, email), NotFound(f"There is no user {email}. Add one with `settle user add`.")
    )


@click.command("write-off-setting")
@click.argument("setting", type=options.choice(WriteOffSetting))
@practices.practice_option
@click.option("--provider", "provider_id", metavar="ID", help="Only for this billing provider's claims.")
@practices.as_option
def set_write_off(setting: str, practice_name: str, provider_id: str | None, email: str) -> None:
    """Change the Balance Writeoff setting.

    The setting decides which balances are written off when a claim moves to Settled. Existing previews keep the
    old setting.
    """
    chosen = WriteOffSetting(setting)
    with database.transaction() as session:
        practice_id = practice_queries.find_by_name(session, practice_name).id
        by = practices.find_actor(session, email, practice_name)
        who: dict[str, Any] = {"by": by, "now": context.utc_now()}
        if provider_id is None:
            write_off_setting.set_for_practice(session, practice_id=practice_id, setting=chosen, **who)
        else:
            write_off_setting.set_for_provider(
                session,
                practice_id=practice_id,
                provider_external_id=provider_id,
                setting=chosen,
                **who,
            )
    whose = f"provider {provider_id} at {practice_name}" if provider_id else practice_name
    click.echo(f"Balance Writeoff for {whose}: {setting}.")


def _ask_password() -> str:
    least = passwords.PASSWORD_CHARACTERS_MIN
    answer: str = click.prompt(f"Password (at least {least} characters)", hide_input=True, confirmation_prompt=True)
    return answer


COMMANDS = [token, set_write_off]  # `core.cli.users` completes `user`

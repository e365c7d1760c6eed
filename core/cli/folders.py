"""`settle folder`: the folders on the server whose X12 files workers import."""

import json

import click

from core.cli import context, database, formats, options, practices
from core.intake.watched_folders import setup
from core.intake.watched_folders.setup import Watched


@click.group()
def folder() -> None:
    """Watch folders on the server, and import the X12 files that arrive in them."""


@folder.command("watch")
@click.argument("name")
@practices.practice_option
@click.option("--as", "email", required=True, metavar="EMAIL", help="The user who imports, and who gets the notices.")
@click.option("--import-clean", is_flag=True, help="Import without a user if the check finds nothing to look at.")
def watch_folder(name: str, practice_name: str, email: str, import_clean: bool) -> None:
    """Watch the folder NAME in SETTLE_WATCH_DIR for one practice.

    Without --import-clean, each import waits on the Import page.
    """
    with database.transaction() as session:
        actor = practices.find_actor(session, email, practice_name)
        setup.watch(session, name, imports_clean=import_clean, by=actor, now=context.utc_now())
    click.echo(f"Workers look into the folder {name} for {practice_name.strip()}.")


@folder.command("list")
@options.json_option
def list_folders(as_json: bool) -> None:
    """List the watched folders with their last look, and what stops the work on them."""
    with database.sessions() as sessions, sessions() as session:
        found = setup.list_watched(session)
    if as_json:
        click.echo(json.dumps([_facts(one) for one in found]))
    else:
        click.echo("\n".join(map(_describe, found)) or "No folder is watched.")


@folder.command("stop")
@practices.practice_option
@practices.as_option
def stop_watching(practice_name: str, email: str) -> None:
    """Stop watching the folder of a practice. Files in it stay where they are."""
    with database.transaction() as session:
        setup.stop_watching(session, by=practices.find_actor(session, email, practice_name), now=context.utc_now())
    click.echo(f"No folder is watched for {practice_name.strip()}.")


def _facts(one: Watched) -> dict[str, object]:
    looked_at = one.folder.looked_at
    return {
        "practice": one.practice, "folder": one.folder.name, "user": one.email,
        "imports_clean": one.folder.imports_clean, "looked_at": looked_at and looked_at.isoformat(),
        "problem": one.folder.problem,
    }  # fmt: skip


def _describe(one: Watched) -> str:
    looked = f"last look {formats.utc(one.folder.looked_at.isoformat())}" if one.folder.looked_at else "not looked yet"
    how = "imports what is clean" if one.folder.imports_clean else "each import waits for a user"
    problem = f". Problem: {one.folder.problem}" if one.folder.problem else ""
    return f"{one.practice}: folder {one.folder.name}, {one.email}, {how}, {looked}{problem}"


COMMANDS = [folder]

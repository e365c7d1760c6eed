"""The command that migrates the database. Kept apart from the processes, because Alembic is slow to import."""

import json
from dataclasses import asdict

import click

from core.cli import context, options
from core.local.connectivity import connected_engine
from core.migrations.run import MigrationResult, migrate_database


@click.command()
@options.json_option
def migrate(as_json: bool) -> None:
    """Migrate the database to this version.

    The command lists the migrations that ran.
    """
    with connected_engine(context.owner_database_url()) as engine:
        migrated = migrate_database(engine.url.render_as_string(hide_password=False))
    click.echo(json.dumps(asdict(migrated)) if as_json else _describe_migration(migrated))


def _describe_migration(migrated: MigrationResult) -> str:
    granted = [f"Updated the privileges of {role}." for role in migrated.granted]
    if not migrated.done:
        return " ".join([f"The database is already at migration {migrated.after}.", *(granted or ["Nothing to do."])])
    what = f"the database from {migrated.before}" if migrated.before else "an empty database"
    each = [f"  {one.revision}  {one.title}" for one in migrated.done]
    return "\n".join([f"Migrated {what} to {migrated.after}:", *each, *granted])


COMMANDS = [migrate]

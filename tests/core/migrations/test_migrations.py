"""The migrations make what the models say."""

import re
from pathlib import Path
from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

import core.migrations
from core.migrations.revisions import current_revision, is_from_newer_version, newest_revision
from core.migrations.run import _alembic_config
from core.models import metadata

# What two migrations keep for processes of the previous version. A contract step drops all of it.
_RENAMED: Final[Any] = ScriptDirectory.from_config(_alembic_config()).get_revision("0007").module
_OUTBOX: Final[Any] = ScriptDirectory.from_config(_alembic_config()).get_revision("0022").module
_ONE_PERSON: Final[Any] = ScriptDirectory.from_config(_alembic_config()).get_revision("0028").module
_KEPT_FOR_THE_PREVIOUS_VERSION: Final = {
    *(("remove_column", one.table, one.old) for one in _RENAMED.RENAMED),
    ("remove_index", "schedule_run", _RENAMED.OLD_INDEX),
    *(("remove_column", "schedule_run", name) for name in _OUTBOX.UNUSED),
    ("remove_index", "schedule_run", _OUTBOX.UNUSED_INDEX),
}


def _removal(change: Any) -> tuple[str, str, str]:
    """Return the kind, the table and the name of something that only the database has. Fail for any other change."""
    if change[0] == "remove_column":
        return change[0], change[2], change[3].name
    assert change[0] == "remove_index", change
    return change[0], change[1].table.name, change[1].name


def test_the_migrated_database_is_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert {_removal(change) for change in compare_metadata(context, metadata)} == _KEPT_FOR_THE_PREVIOUS_VERSION
        checks = connection.scalars(
            text(
                "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 AND "
                "connamespace = 'public'::regnamespace"
            )
        ).all()
        filled = connection.execute(
            text("SELECT relname, reloptions FROM pg_class WHERE reloptions IS NOT NULL AND relkind = 'r'")
        )
        options = dict(tuple(row) for row in filled)
    declared = {c.name for table in metadata.sorted_tables for c in table.constraints if hasattr(c, "sqltext")}
    kept = {*_RENAMED.OLD_CHECKS, _OUTBOX.UNUSED_CHECK} - {_ONE_PERSON.OLD_CHECK}
    assert set(checks) == declared | kept, "Alembic compares no check constraints, so this does"
    assert {table.name: [f"fillfactor={table.dialect_options['postgresql']['with']['fillfactor']}"]
            for table in metadata.sorted_tables
            if table.dialect_options["postgresql"]["with"]} == options  # fmt: skip


def test_the_newest_migration_is_what_the_code_expects(engine: Engine) -> None:
    scripts = ScriptDirectory.from_config(_alembic_config())

    assert current_revision(engine) == newest_revision() == scripts.get_current_head()
    assert not any(is_from_newer_version(script.revision) for script in scripts.walk_revisions())


def test_migrations_are_numbered_in_order() -> None:
    folder = Path(core.migrations.__path__[0]) / "versions"
    names = sorted(path.stem for path in folder.glob("*.py"))
    assert len(names) > 1, "the folder has the migrations"
    assert [int(re.match(r"(\d{4})_[a-z_]+$", name).group(1)) for name in names] == list(range(1, len(names) + 1))  # type: ignore[union-attr]

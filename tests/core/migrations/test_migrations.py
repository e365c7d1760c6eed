"""The migrations make what the models say."""

import re
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text

import core.db
from core.migrations.run import current_revision, newest_revision
from core.models import metadata


def test_the_migrated_database_is_what_the_models_say(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
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
    assert set(checks) == declared, "Alembic compares no check constraints, so this does"
    assert {table.name: [f"fillfactor={table.dialect_options['postgresql']['with']['fillfactor']}"]
            for table in metadata.sorted_tables
            if table.dialect_options["postgresql"]["with"]} == options  # fmt: skip


def test_the_newest_migration_is_what_the_code_expects(engine: Engine) -> None:
    assert current_revision(engine) == newest_revision()


def test_migrations_are_numbered_in_order() -> None:
    folder = Path(core.db.__path__[0]) / "migrations" / "versions"
    names = sorted(path.stem for path in folder.glob("*.py"))
    assert [int(re.match(r"(\d{4})_[a-z_]+$", name).group(1)) for name in names] == list(range(1, len(names) + 1))  # type: ignore[union-attr]

"""Compare the database's migration with ours, without Alembic: each process does so when it starts, and each probe."""

from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, text

from core.causes import Cause

_HAS_TABLE: Final = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION: Final = text("SELECT version_num FROM alembic_version")


@cache
def _known_revisions() -> tuple[str, ...]:
    """Return the numbers with which the names of our migrations begin, oldest first."""
    files = (Path(__file__).parent / "versions").glob("[0-9]*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))


def newest_revision() -> str:
    """Return the revision that this version of the code expects."""
    return _known_revisions()[-1]


def is_from_newer_version(revision: str) -> bool:
    """Return whether this version does not know the migration, because a newer version ran it."""
    return revision not in _known_revisions()


def current_revision(engine: Engine) -> str | None:
    """Return the revision of the database, or None if it was never migrated."""
    with engine.connect() as connection:
        return connection.scalar(_REVISION) if connection.scalar(_HAS_TABLE) else None


def missing_migration(engine: Engine) -> Cause | None:
    """Return why this version cannot use the database (not migrated, or not far enough), or None if it can.

    A newer schema is fine, because each migration is compatible with the previous version. Errors from the driver are
    not caught.
    """
    revision, newest = current_revision(engine), newest_revision()
    if revision == newest or (revision is not None and is_from_newer_version(revision)):
        return None
    words = (
        "The database has no tables yet."
        if revision is None
        else f"The database is at migration {revision}, and this version needs {newest}."
    )
    return Cause("not_migrated", words, "Run settle migrate.")

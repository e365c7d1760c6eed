"""Run migrations. Kept apart from the engine, because Alembic is slow to import and few commands need it."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import OperationalError

from core.db.transient import DEADLOCK, LOCK_NOT_AVAILABLE, sqlstate
from core.errors import Refusal
from core.migrations.revisions import current_revision, is_from_newer_version

# A migration waits for its locks as long as its own `lock_timeout`. Between tries, other transactions get theirs.
TRIES_MAX: Final = 5
PAUSE_SECONDS: Final = 2.0


class TablesBusy(Refusal):
    """Other transactions are using tables that the migration must lock. Nothing changed. Run settle migrate again."""


class NotOwner(Refusal):
    """Only the owner of the tables can migrate them. Set SETTLE_OWNER_DATABASE_URL. Nothing was changed."""


class NewerDatabase(Refusal):
    """A newer version of the product migrated this database. Nothing was changed."""


@dataclass(frozen=True)
class Migration:
    """One migration that ran."""

    revision: str
    title: str


@dataclass(frozen=True)
class MigrationResult:
    """What `migrate_database` did: the revision before and after, the migrations, and the roles with new privileges."""

    before: str | None
    after: str
    done: tuple[Migration, ...]
    granted: tuple[str, ...] = ()


def _alembic_config(url: str | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    return config


def migrate_database(url: str, revision: str = "head") -> MigrationResult:
    """Migrate the database at `url` to `revision`. Raise `NewerDatabase` for an unknown revision, and `NotOwner`.

    Raise `TablesBusy` if five tries did not get a migration's locks.

    The result covers this call only: if two run at once, the second waits and then finds nothing to do.
    """
    config = _alembic_config(url)
    steps: list[MigrationInfo] = []
    config.attributes["applied"] = steps.append
    found = _revision_at(url)
    if found is not None and is_from_newer_version(found):
        raise NewerDatabase(
            f"The database is at migration {found}, which this version does not know: a newer version migrated it. "
            "Nothing was changed."
        )
    _upgrade(config, revision, steps)
    if steps:
        before, after = next(iter(steps[0].down_revision_ids), None), steps[-1].up_revision_id
    else:
        before = after = _revision_at(url)
    assert after is not None
    scripts = ScriptDirectory.from_config(config)  # it reads all migrations
    done = tuple(Migration(str(step.up_revision_id), _title(scripts, step)) for step in steps)
    return MigrationResult(before, after, done, config.attributes.get("granted", ()))


def _upgrade(config: Config, revision: str, steps: list[MigrationInfo]) -> None:
    """Upgrade in one transaction. Try again if it did not get its locks, because then it changed nothing."""
    for tries in range(1, TRIES_MAX + 1):
        steps.clear()
        try:
            command.upgrade(config, revision)
        except OperationalError as error:
            if sqlstate(error) not in (LOCK_NOT_AVAILABLE, DEADLOCK):
                raise
            if tries == TRIES_MAX:
                raise TablesBusy from None
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _title(scripts: ScriptDirectory, step: MigrationInfo) -> str:
    """Return the first line of the migration's docstring."""
    return scripts.get_revision(str(step.up_revision_id)).doc.split("\n", 1)[0].rstrip(".")


def _revision_at(url: str) -> str | None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), hide_parameters=True)
    try:
        return current_revision(engine)
    finally:
        engine.dispose()

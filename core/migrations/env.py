"""Alembic's entry point: run the migrations on the URL passed to `core.migrations.run.migrate_database`."""

from alembic import context
from sqlalchemy import NullPool, create_engine, make_url, text

from core.models import metadata

# Only one migration runs at a time. A second one waits.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('settle migrate'))")

url = make_url(context.config.attributes["url"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, hide_parameters=True, poolclass=NullPool)  # an error leaves no connection open
with engine.connect() as connection:
    applied = context.config.attributes.get("applied", lambda _step: None)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=False,
        on_version_apply=lambda *, step, **_: applied(step),
    )
    with context.begin_transaction():
        connection.execute(_LOCK)
        context.run_migrations()
engine.dispose()

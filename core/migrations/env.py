"""Alembic's entry point: run the migrations on the URL passed to `core.migrations.run.migrate_database`."""

from alembic import context
from sqlalchemy import NullPool, create_engine, make_url, text

from core.migrations.policies import apply_policies
from core.migrations.privileges import grant_privileges
from core.migrations.run import NotOwner
from core.models import metadata

# Only one migration runs at a time. A second one waits.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('settle migrate'))")
_LOCK_TIMEOUT = text("SET LOCAL lock_timeout = '5s'")
# PostgreSQL alters no table whose rows wait for a deferred trigger, as the audit entries of a migration do.
_CHECK_ROWS = text("SET CONSTRAINTS ALL IMMEDIATE")
_MAY_MIGRATE = text(
    "SELECT coalesce(bool_and(pg_has_role(tableowner, 'USAGE')), true) FROM pg_tables "
    "WHERE schemaname = current_schema() AND tablename = 'alembic_version'"
)

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
        if not connection.scalar(_MAY_MIGRATE):
            raise NotOwner
        connection.execute(_LOCK)
        context.run_migrations()
        if context.get_context().get_current_heads() == (context.script.get_current_head(),):
            connection.execute(_LOCK_TIMEOUT)
            connection.execute(_CHECK_ROWS)
            apply_policies(connection)
            context.config.attributes["granted"] = grant_privileges(connection)
engine.dispose()

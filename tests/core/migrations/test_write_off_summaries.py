"""Migration 0021 sums the ledger that it finds, and can be undone."""

from alembic import command
from alembic.script import ScriptDirectory

from core.access.permissions import Actor
from core.enums.practices import PayerClass
from core.migrations.run import _alembic_config, migrate_database
from tests.factories import GivenPractice, Line


def test_an_existing_ledger_gets_its_sums(practice: GivenPractice, admin: Actor) -> None:
    practice.claim("1", Line(30_00, 20_00), Line(0, 5_00))
    practice.claim("2", Line(0, 100_00), primary_payer_id=practice.payer("T", PayerClass.TRICARE))
    practice.reverse(practice.settle(), "1", by=admin)
    practice.run()
    practice.post("2", 40_00)
    url = practice.sessions.kw["bind"].url.render_as_string(hide_password=False)

    migration = ScriptDirectory.from_config(_alembic_config()).get_revision("0021")
    command.downgrade(_alembic_config(url), str(migration.down_revision))
    migrate_database(url)

    assert practice.violations() == []

"""Migration 0029 gives existing postings digests, which the audit log's chain covers, and can be undone."""

from alembic import command
from alembic.script import ScriptDirectory

from core.books.invariants import violations
from core.migrations.run import _alembic_config, migrate_database
from tests.core.books.dishonest_owner import edited
from tests.factories import GivenPractice, Line


def test_existing_postings_get_digests_that_an_act_covers(practice: GivenPractice) -> None:
    practice.claim("1", Line(30_00, 20_00))
    practice.settle()
    url = practice.sessions.kw["bind"].url.render_as_string(hide_password=False)
    migration = ScriptDirectory.from_config(_alembic_config()).get_revision("0029")

    practice.sql("ALTER TABLE posting DISABLE TRIGGER posting_is_digested")  # post as the version before
    practice.post("1", 5_00)
    command.downgrade(_alembic_config(url), str(migration.down_revision))
    migrate_database(url)

    assert [entry.facts for entry in practice.audited("digests.started")] == [{"postings": 3}]
    assert practice.violations() == []
    with edited(practice, "UPDATE posting SET note = 'x' WHERE kind = 'payment'") as session:
        assert {one.invariant for one in violations(session)} == {"postings_are_as_they_were_posted"}

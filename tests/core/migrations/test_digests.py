"""Migration 0029 gives existing postings digests, which the audit log's chain covers, and can be undone."""

from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from core.audit import package, verify_package
from core.books.invariants import violations
from core.migrations.run import _alembic_config, migrate_database
from tests.core.books.dishonest_owner import edited
from tests.factories import NOW, GivenPractice, Line


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


def test_digests_of_two_statements_in_the_same_microsecond_keep_their_own_postings(
    practice: GivenPractice, tmp_path: Path
) -> None:
    practice.claim("1", Line(30_00))
    practice.post("1", 5_00)
    same = """
        INSERT INTO posting (id, practice_id, claim_id, line, responsibility, kind, amount_cents, paid_by, posted_on,
                             created_at, user_id, source, source_id)
        SELECT n, practice_id, claim_id, line, responsibility, kind, amount_cents, paid_by, posted_on,
               created_at + interval '1 microsecond', user_id, source, 'same ' || n
        FROM posting, unnest(ARRAY[{}]) n WHERE kind = 'payment' AND id < 100"""
    for ids in ("1001, 1002, 1005", "1003, 1004, 1006"):  # the numbers of two workers that post at once
        practice.sql(same.format(ids))

    with practice.sessions() as session:
        kept = session.scalars(text("SELECT ids::text FROM posting_digest WHERE first_id > 1000 ORDER BY id")).all()
        found = {one.invariant for one in violations(session)}
        file = tmp_path / "package.zip"
        file.write_bytes(b"".join(package.packed(session, practice.id, now=NOW)))
    assert kept == [None, "{[1003,1005),[1006,1007)}"]
    digests = {"postings_are_as_they_were_posted", "every_posting_has_a_digest"}
    assert found & digests == set()
    faults = verify_package.prove(verify_package.Package(str(file)), [])
    assert faults["Each posting is as it was posted."] == []

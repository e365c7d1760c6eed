"""Migration 0018 fills in the date of service and procedure code of postings that were sent before it."""

from typing import Any, Final

from alembic.script import ScriptDirectory

from core.exports import sent_files
from core.exports.layouts import STANDARD
from core.migrations.run import _alembic_config
from tests.factories import GivenPractice, Line

_MIGRATION: Final[Any] = ScriptDirectory.from_config(_alembic_config()).get_revision("0018").module
_FACTS: Final = """
SELECT string_agg(concat_ws(' ', claim_id, line, service_date, procedure_code), ', ' ORDER BY posting_id)
FROM sent_posting
"""


def test_a_posting_sent_before_the_migration_gets_the_facts_of_its_own_line(practice: GivenPractice) -> None:
    practice.claim("1", Line(10_00), Line(7_00))
    practice.claim("2", Line(5_00))
    practice.sql("UPDATE line_item SET procedure_code = '9921' || number + claim_id")
    practice.settle()
    practice.act(sent_files.send, STANDARD, key="key")
    with practice.sessions() as session:
        sent = session.connection().exec_driver_sql(_FACTS).scalar_one()
    practice.sql("UPDATE sent_posting SET service_date = NULL, procedure_code = NULL")

    practice.sql(_MIGRATION.FILL)

    with practice.sessions() as session:
        assert session.connection().exec_driver_sql(_FACTS).scalar_one() == sent
    assert "2026-05-07 99213" in sent

"""A database of version 0.1.0 with data upgrades to this version, and its books still hold.

`version_0_1_0.copy` is the data that version 0.1.0 left: a sample of eight claims, a job that settled three of them and
its reversal, a second job, and a third one that is confirmed and has not begun. Its last migration is 0005.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from sqlalchemy import make_url, select

from core.books.invariants import violations
from core.db.engine import Sessions, make_engine, make_sessions
from core.enums.jobs import JobStatus
from core.jobs.execution import engine
from core.jobs.keys import JobKey
from core.migrations.run import migrate_database
from core.models.jobs import SettleJob
from tests.factories import NOW
from tests.servers import Databases

_DATA: Final = Path(__file__).with_name("version_0_1_0.copy")
_IDS: Final = """
SELECT setval(pg_get_serial_sequence(quote_ident(table_name), column_name), 1000) FROM information_schema.columns
WHERE table_schema = 'public' AND is_identity = 'YES'"""


@pytest.fixture
def upgraded(databases: Databases) -> Iterator[Sessions]:
    with databases.empty() as url:
        migrate_database(url, "0005")
        superuser = make_url(url).set(username="postgres").render_as_string(hide_password=False)
        with psycopg.connect(superuser) as connection:
            connection.execute("SET session_replication_role = replica")  # the triggers ran when the data was written
            for table in _DATA.read_text().removesuffix("\\.\n").split("\\.\n"):
                name, _, rows = table.partition("\n")
                with connection.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copy:
                    copy.write(rows)
            connection.execute(_IDS)

        migrate_database(url)

        made = make_engine(url)
        yield make_sessions(made)
        made.dispose()


def test_the_books_hold_after_an_upgrade_and_the_waiting_job_completes(upgraded: Sessions) -> None:
    with upgraded() as session:
        assert violations(session) == []
        waiting = session.scalars(select(SettleJob).where(SettleJob.status == JobStatus.CONFIRMED)).one()
        key, claims = JobKey(waiting.practice_id, waiting.id), waiting.claims_total

    engine.work(upgraded, worker="w", clock=lambda: NOW)

    with upgraded() as session:
        job = session.get_one(SettleJob, key)
        assert (job.status, job.claims_total) == (JobStatus.COMPLETED, claims)
        assert violations(session) == []

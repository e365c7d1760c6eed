"""Migration 0022 moves the e-mail of run reports into the outbox, also for processes of the previous version."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from core.migrations.run import migrate_database
from tests.core.migrations.renamed_rows import AT, GROUND, ROWS
from tests.servers import Databases

_RUN: Final = {
    **{name: value for name, value in ROWS["schedule_run"].items()
       if name not in ("mail_left", "mail_again", "mail_since", "asked", "because", "asked_by", "begun_at")},
    "schedule_snapshot": Jsonb({"mail_to": ["a@x.example", "b@x.example"]}), "created_at": AT,
    "mail_pending_to": Jsonb(["b@x.example"]), "mail_followup": False, "mail_not_before": AT, "mail_tries": 2,
}  # fmt: skip


@pytest.fixture
def before(databases: Databases) -> Iterator[tuple[str, psycopg.Connection[Any]]]:
    with databases.empty() as url:
        migrate_database(url, "0019")
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            connection.execute(GROUND)
            _insert(connection, "schedule", {**ROWS["schedule"], "id": 7, "name": "Ground"})
            yield url, connection


def _insert(connection: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, row))
    values = [Jsonb(value) if isinstance(value, dict | list) else value for value in row.values()]
    statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})")
    connection.execute(
        statement.format(sql.Identifier(table), names, sql.SQL(", ").join(sql.Placeholder() * len(row))), values
    )


def _run(connection: psycopg.Connection[Any], run_id: int, **columns: Any) -> None:
    """Insert a run as the previous version does."""
    _insert(connection, "schedule_run", {**_RUN, "id": run_id, "schedule_id": 7, "run_key": str(run_id), **columns})


def _outbox(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    rows = connection.execute("SELECT * FROM outbox ORDER BY run_id, is_followup").fetchall()
    return [(row["run_id"], row["is_followup"], row["state"], row["pending_to"], row["tries"]) for row in rows]


def test_what_was_not_sent_yet_moves_and_what_is_done_stays_and_a_later_run_of_the_previous_version_moves_too(
    before: tuple[str, psycopg.Connection[Any]],
) -> None:
    url, connection = before
    _run(connection, 1, mail_state="none", mail_tries=0)
    _run(connection, 2, mail_state="due")
    _run(connection, 3, mail_state="sent", mail_followup=True)
    _run(connection, 4, mail_state="sent")
    _run(connection, 5, mail_state="none", mail_not_before=None)

    migrate_database(url)

    both, one = ["a@x.example", "b@x.example"], ["b@x.example"]
    assert _outbox(connection) == [
        (1, False, "waiting", one, 0),
        (2, False, "due", one, 2),
        (3, False, "sent", [], 2),
        (3, True, "waiting", both, 0),
    ]
    left = connection.execute("SELECT id FROM schedule_run WHERE mail_not_before IS NOT NULL").fetchall()
    assert [row["id"] for row in left] == [4], "the previous version sends nothing more"

    _run(connection, 6, mail_state="none", mail_tries=0)
    assert _outbox(connection)[-1] == (6, False, "waiting", ["b@x.example"], 0)
    (run,) = connection.execute("SELECT mail_not_before FROM schedule_run WHERE id = 6").fetchall()
    assert run["mail_not_before"] is None

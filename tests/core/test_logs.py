"""A log line says what happened and where, and never repeats the words of an error."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from core import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_database_error_is_logged_by_its_code(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE t (name text PRIMARY KEY)"))
        try:
            connection.execute(text("INSERT INTO t VALUES ('Canary, Zelda'), ('Canary, Zelda')"))
        except IntegrityError:
            logging.getLogger("somewhere").exception("it broke")

    (line,) = _lines(capsys)
    assert (line["event"], line["error"], line["sqlstate"]) == ("it broke", "IntegrityError", "23505")
    assert "Zelda" not in json.dumps(line)


def test_a_failed_task_is_logged_without_its_errors_words(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    args = {"name": "settle.work", "id": "7", "exc": "Canary, Zelda", "traceback": "Zelda", "description": "raised"}
    logging.getLogger("celery.app.trace").error("Task %(name)s[%(id)s] %(description)s: %(exc)s", args)

    (line,) = _lines(capsys)
    assert line["event"] == "task_failed settle.work[7]"


def test_an_event_of_ours_carries_its_ids(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    structlog.get_logger("core.jobs").info("chunk_settled", job_id=7, first=1)

    (line,) = _lines(capsys)
    assert (line["event"], line["job_id"], line["level"]) == ("chunk_settled", 7, "info")
    assert "timestamp" in line

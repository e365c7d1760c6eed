"""A log line reports the event and its place, and never repeats an error's message."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from core import logs
from webui.server import wsgi


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
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


def test_a_failed_task_is_logged_without_its_errors_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    args = {"name": "settle.work", "id": "7", "exc": "Canary, Zelda", "traceback": "Zelda", "description": "raised"}
    logging.getLogger("celery.app.trace").error("Task %(name)s[%(id)s] %(description)s: %(exc)s", args)

    (line,) = _lines(capsys)
    assert line["event"] == "task_failed settle.work[7]"


def test_an_event_of_the_product_carries_its_ids(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    structlog.get_logger("core.jobs").info("chunk_settled", job_id=7, first=1)

    (line,) = _lines(capsys)
    assert (line["event"], line["job_id"], line["level"]) == ("chunk_settled", 7, "info")
    assert "timestamp" in line


def test_a_log_line_carries_the_hints_request_id_only_for_the_hinted_job(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("INFO")
    with structlog.contextvars.bound_contextvars(request_id="abc", task_id="t", hinted_job_id=7):
        structlog.get_logger("core.jobs").info("chunk_settled", job_id=7)
        structlog.get_logger("core.jobs").info("chunk_settled", job_id=8)
        logging.getLogger("of.a.library").warning("something")

    own, other, library = _lines(capsys)
    assert (own["request_id"], own["task_id"]) == ("abc", "t")
    assert ("request_id" in other, other["task_id"]) == (False, "t")
    assert library["request_id"] == "abc"
    assert "hinted_job_id" not in own | other | library


def test_the_web_servers_log_lines_do_not_repeat_the_request() -> None:
    redacted = [
        wsgi._redact_request(*given)
        for given in (
            ("Invalid request from ip=1.2.3.4: Invalid HTTP request line: 'GET /claims?patient=Canary, Zelda'", ()),
            ("Error handling request %s %s", ("GET", "/claims?patient=Canary")),
            ("Exception while serving /claims?patient=Canary", ()),
            ("Client disconnected while serving /claims?patient=Canary", ()),
            ("uncaptured python exception, closing channel <Channel> (ValueError:Canary)", ()),
            ("Worker exiting (pid: %s)", (7,)),
        )
    ]

    assert redacted == [
        ("Invalid request",),
        ("Error handling request",),
        ("Exception while serving",),
        ("Client disconnected while serving",),
        ("uncaptured python exception",),
        ("Worker exiting (pid: %s)", 7),
    ]

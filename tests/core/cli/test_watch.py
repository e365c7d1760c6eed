"""`settle watch` and `settle preview` while the server restarts."""

import json

import pytest

from core.cli import client, watch
from core.settings import load_settings
from tests.core.cli.conftest import Typed
from tests.core.cli.other_server import answer, other_server

RUNNING = {"kind": "settle", "name": "", "status": "running", "status_words": "running", "reconciling": False,
           "words": "2 of 2 claims settled", "total": 2, "remaining": 2, "settled": 0,
           "written_off_cents": {"insurance": 0, "patient": 500}}  # fmt: skip
AWAY = answer("502 Bad Gateway", "text/html")
WITHOUT_DATABASE = answer(
    "503 Service Unavailable", "application/problem+json", '{"code": "database_away", "detail": "Try again."}'
)


def progress(**changed: object) -> bytes:
    return answer("200 OK", "application/json", json.dumps({**RUNNING, **changed}))


@pytest.fixture(autouse=True)
def program(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a token as a program does, and wait for nothing."""
    monkeypatch.setenv("SETTLE_TOKEN", "settle_secret")
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(watch, "POLL_SECONDS", 0)
    load_settings.cache_clear()


def test_watching_waits_for_a_server_or_a_database_that_restarts(typed: Typed) -> None:
    done = progress(status="completed", status_words="completed", settled=2, remaining=0)
    with other_server(progress(), AWAY, b"", WITHOUT_DATABASE, progress(), AWAY, done) as (url, asked):
        watched = typed("watch", "1", "--server", url)

    assert (watched.exit_code, watched.stdout) == (0, "Job 1: 2 of 2 claims settled; $5.00 written off.\n")
    assert len(asked) == 7


def test_watching_ends_when_the_server_stays_away_or_refuses(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = answer("404 Not Found", "application/problem+json", '{"code": "not_found", "detail": "There is no job."}')
    with other_server(progress(), refusal) as (url, asked):
        refused = typed("watch", "1", "--server", url)
    assert (refused.exit_code, "There is no job." in refused.stderr, len(asked)) == (1, True, 2)

    monkeypatch.setattr(client, "RESTART_SECONDS", 0)
    with other_server(progress(), AWAY) as (url, _):
        refused = typed("watch", "1", "--server", url)
    assert (refused.exit_code, "answered with status 502" in refused.stderr) == (1, True)

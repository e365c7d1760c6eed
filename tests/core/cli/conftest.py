"""`settle`, typed against this test's database, and a real web server on it for the commands of a signed-in user."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import structlog
from click.testing import CliRunner, Result
from sqlalchemy import Engine
from werkzeug.serving import WSGIRequestHandler, make_server

from core.access import tokens, users
from core.cli import TRACE_VARIABLE, main
from core.db.engine import Sessions, transaction
from core.settings import load_settings
from tests import shared_app
from tests.factories import NOW
from tests.webui.api.conftest import SentHints

Typed = Callable[..., Result]
APP = "of commands"


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Drop the log of the web server, because it runs in this process and would write to the command's terminal."""

    def drop(*_: object) -> NoReturn:
        raise structlog.DropEvent

    structlog.configure(processors=[drop])


class QuietHandler(WSGIRequestHandler):
    """Serves requests without a line for each."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def web_url() -> Iterator[str]:
    """Yield the URL of a web server for all tests of a module. `typed` gives it the test's database."""
    app = shared_app._application(APP)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def settle(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Typed]:
    """Yield the command on this test's database, in a folder of its own, without a terminal and not signed in."""
    monkeypatch.setenv("SETTLE_DATABASE_URL", database_url)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv(TRACE_VARIABLE, "1")  # an error in a command fails the test
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield lambda *words, **more: CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False, **more)
    load_settings.cache_clear()


@pytest.fixture
def typed(settle: Typed, engine: Engine, sessions: Sessions, web_url: str, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Return the command, which acts on the web server as the user `by`."""
    shared_app.application(engine, lambda: NOW, hints_=SentHints(), name=APP)
    monkeypatch.setenv("SETTLE_SERVER", web_url)

    def run(*words: object, by: str = "", **more: Any) -> Result:
        if by:
            with transaction(sessions) as session:
                user = users.find_by_email(session, by)
                assert user is not None, by
                monkeypatch.setenv("SETTLE_TOKEN", tokens.add_token(session, user, NOW))
            load_settings.cache_clear()
        return settle(*words, **more)

    return run

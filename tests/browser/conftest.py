"""A real browser on a real server, with a window for each user. A script error fails the test."""

import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from sqlalchemy import Engine
from werkzeug.serving import make_server
from werkzeug.test import run_wsgi_app

from core.access import user_sessions
from core.access.permissions import Actor
from core.db.engine import Sessions, transaction
from tests.factories import NOW, GivenPractice, a_practice
from tests.shared_app import application
from webui.shared.auth import SESSION_COOKIE

# The shell comes first: it is the same browser without the windows around the pages, of which each test opens several.
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
no_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

OPEN = Callable[..., Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def practice(sessions: Sessions) -> GivenPractice:
    return a_practice(sessions)


def read_whole(app: WSGIApplication) -> WSGIApplication:
    """Return an application that reads and closes each answer before it sends it.

    The test server (werkzeug 3.1) reads from the socket before it closes an answer. If the browser has reset the
    connection, as when it leaves a page, the read fails and a static file stays open until a garbage collection.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        parts, status, headers = run_wsgi_app(app, environ, buffered=True)
        start_response(status, headers.to_wsgi_list())
        return parts

    return answer


@pytest.fixture
def app(engine: Engine) -> Flask:
    return application(engine, lambda: NOW)


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, read_whole(app), threaded=True)
    server.daemon_threads = False  # closing then waits for requests, which would leave a connection open
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
def open_as(chromium: Browser, address: str, sessions: Sessions) -> Iterator[OPEN]:
    """Yield a function that opens a page in a separate window as a user. A script error fails the test.

    The user prefers reduced motion, because during a transition a color is not one of the style sheet's.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(path: str, actor: Actor | None, **window: object) -> Page:
        context = chromium.new_context(base_url=address, reduced_motion="reduce", **window)  # type: ignore[arg-type]
        contexts.append(context)
        if actor is not None:
            with transaction(sessions) as session:
                token = user_sessions.start(session, actor, NOW)
            context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": address}])
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Content Security Policy" in line.text else None)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []


def faults_of(page: Page) -> str:
    """Return the faults that axe finds. Target size is a rule of WCAG 2.2 AA that axe runs only on request."""
    page.wait_for_load_state()  # an element is found before the style sheet is there, and axe would measure it bare
    result = Axe().run(page, options={"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}})
    return result.generate_report() if result.violations_count else ""
